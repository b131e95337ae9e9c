// A network's card: metrics beside its class, confusion counts, curves, first-layer kernels.

const KINDS = ["loss", "accuracy"];
const AXES = { width: 380, height: 210, left: 44, right: 8, top: 10, bottom: 24 };

function median(values) {
  const known = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return NaN;
  const middle = known.length >> 1;
  return known.length % 2 ? known[middle] : (known[middle - 1] + known[middle]) / 2;
}

function headed(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function soft(text) {
  return element("p", { className: "soft" }, text);
}

function metricsTable(table, row) {
  const { arrays } = table;
  const own = arrays.class[row];
  const lines = table.columns.map(([name, label]) => {
    const values = arrays[`column.${name}`];
    const middle = median(Array.from(values.filter((_, other) => arrays.class[other] === own)));
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, label),
      element("td", { className: "number own" }, figure(values[row], name)),
      element("td", { className: "number soft" }, figure(middle, name)),
    );
  });
  if (!lines.length) return soft("Unknown: the zoo has no metrics.");
  const beside = table.classes.length > 1 ? "class median" : "median of all";
  const head = element(
    "tr",
    {},
    element("th", {}, element("span", { className: "visually-hidden" }, "metric")),
    element("th", { scope: "col", className: "number" }, "network"),
    element("th", { scope: "col", className: "number" }, beside),
  );
  const made = element("table", { className: "card-table" });
  made.append(element("thead", {}, head), element("tbody", {}, ...lines));
  return made;
}

/** Counts of right and wrong answers, as far as they follow from the metrics. */
function confusion(table, row) {
  const { arrays, images, positives } = table;
  const own = arrays.class[row];
  if (table.outputs > 1) {
    return soft("Unknown: of several outputs the zoo keeps means over the classes alone.");
  }
  const recall = arrays["column.recall"]?.[row];
  const specificity = arrays["column.specificity"]?.[row];
  if (!Number.isFinite(recall) || !Number.isFinite(specificity)) {
    return soft("Unknown: the network has no metrics.");
  }
  const yes = positives?.[own];
  if (!yes) return soft("Unknown: the size of the image set does not follow from the metrics.");
  const no = images - yes;
  const found = Math.round(recall * yes);
  const rejected = Math.round(specificity * no);
  const cell = (count, of, right) =>
    element(
      "td",
      { className: right ? "right" : "" },
      element("strong", {}, count.toLocaleString("en")),
      `${((100 * count) / of).toFixed(1)} % of ${of.toLocaleString("en")}`,
    );
  const body = [
    ["of the class", cell(found, yes, true), cell(yes - found, yes, false)],
    ["of others", cell(no - rejected, no, false), cell(rejected, no, true)],
  ].map(([label, ...cells]) => element("tr", {}, element("th", { scope: "row" }, label), ...cells));
  const made = element("table", { className: "confusion" });
  const head = ["the image", "says yes", "says no"].map((label) =>
    element("th", { scope: "col" }, label),
  );
  made.append(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  return made;
}

/** Undo `explorer.quantise_curves`: values of loss (0) or accuracy (1); null where not finite. */
function curveValues(curves, row, kind) {
  const epochs = curves.epochs.length;
  const low = curves.arrays.ranges[4 * row + 2 * kind];
  const high = curves.arrays.ranges[4 * row + 2 * kind + 1];
  return [0, 1].map((which) => {
    const begin = (4 * row + 2 * kind + which) * epochs;
    let level = 0;
    return Array.from({ length: epochs }, (_, epoch) => {
      level = (level + curves.arrays.curves[begin + epoch]) & 255;
      return level === 255 ? null : low + (level / (curves.levels - 1)) * (high - low);
    });
  });
}

/** About four round numbers that cover a range. */
function ticks(low, high) {
  const rough = (high - low || Math.abs(high) || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const made = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) made.push(n * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return made.map((value) => [value, digits > 6 ? value.toPrecision(2) : value.toFixed(digits)]);
}

function pathOf(values, x, y) {
  let path = "";
  values.forEach((value, place) => {
    if (value === null) return;
    const begins = place === 0 || values[place - 1] === null;
    path += `${begins ? "M" : "L"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
    // A point with gaps on both sides is a dot: a line of no length with round ends.
    if (begins && (place + 1 === values.length || values[place + 1] === null)) path += "h0";
  });
  return path;
}

function curveOf(table, curves, row, kind) {
  const [training, validation] = curveValues(curves, row, kind);
  const all = [...training, ...validation].filter((value) => value !== null);
  if (!all.length) return soft("No value is finite.");
  const { width, height, left, right, top, bottom } = AXES;
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const { epochs } = curves;
  const [first, last] = [epochs[0], epochs[epochs.length - 1]];
  const across = (epoch) =>
    left + ((epoch - first) / (last - first || 1)) * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - top - bottom);
  const least = validation.indexOf(
    validation.reduce((best, value) => (value !== null && (best === null || value < best) ? value : best), null),
  );
  const told = (values) => figure(values.findLast((value) => value !== null) ?? NaN);
  const label =
    `${KINDS[kind]} of ${table.ids[row]} over ${last} epochs: training ends at ${told(training)}, ` +
    `validation at ${told(validation)}` +
    (kind === 0 && least >= 0 ? `, least after epoch ${epochs[least]}` : "");
  const made = drawn("svg", {
    class: "curve",
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": label,
  });
  for (const [value, text] of ticks(low, high)) {
    made.append(
      drawn("line", { class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
      drawn("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, text),
    );
  }
  for (const epoch of new Set([first, Math.round((first + last) / 2), last])) {
    const anchor = epoch === last && last > first ? "end" : epoch === first ? "start" : "middle";
    made.append(
      drawn("text", { x: across(epoch), y: height - 6, "text-anchor": anchor }, `${epoch}`),
    );
  }
  const kept = table.arrays.kept[row];
  if (kept >= first && kept < last) {
    const x = across(kept);
    made.append(drawn("line", { class: "kept", x1: x, x2: x, y1: top, y2: height - bottom }));
  }
  const x = (place) => across(epochs[place]);
  made.append(
    drawn("path", { class: "training", d: pathOf(training, x, y) }),
    drawn("path", { class: "validation", d: pathOf(validation, x, y) }),
  );
  return made;
}

function legend(table, row, curves) {
  const entry = (name, text) =>
    element(
      "span",
      {},
      drawn("svg", { class: "curve", viewBox: "0 0 26 8", "aria-hidden": "true" }, drawn("path", { class: name, d: "M2 4H24" })),
      text,
    );
  const kept = table.arrays.kept[row];
  const made = element("p", { className: "legend" }, entry("validation", "validation"), entry("training", "training"));
  if (kept < curves.epochs[curves.epochs.length - 1]) made.append(entry("kept", `weights kept, epoch ${kept}`));
  made.append(element("span", {}, "across: epochs"));
  return made;
}

function curveSections(table, curves, row) {
  if (!curves) return [headed("Training", soft("The page has no training curves; the notes below its table say why."))];
  if (row >= curves.networks) {
    return [headed("Training", soft(`Not on this page, to keep it small: zoo.history("${table.ids[row]}").`))];
  }
  const made = KINDS.map((name, kind) =>
    headed(name[0].toUpperCase() + name.slice(1), curveOf(table, curves, row, kind)),
  );
  made[0].append(legend(table, row, curves));
  return made;
}

/** One filter's picture: grey is zero, a channel grows with its weight. */
function kernelPicture(kernels, row, filter) {
  const [filters, channels, height, width] = kernels.shape;
  const size = height * width;
  const begin = (row * filters + filter) * channels * size;
  const canvas = element("canvas", { width, height });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `filter ${filter + 1}, ${height} x ${width} pixels`);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let pixel = 0; pixel < size; pixel++) {
    for (let colour = 0; colour < 3; colour++) {
      const shade = kernels.arrays.kernels[begin + (colour % channels) * size + pixel];
      picture.data[4 * pixel + colour] = shade === 255 ? 0 : (255 * shade) / (kernels.levels - 1);
    }
    picture.data[4 * pixel + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
  return element("figure", {}, canvas, element("figcaption", {}, `${filter + 1}`));
}

function kernelSection(table, kernels, row) {
  if (!kernels) return headed("First-layer kernels", soft("The page has no kernels; the notes below its table say why."));
  const title = `Kernels of ${kernels.name}`;
  if (row >= kernels.networks) {
    return headed(title, soft(`Not on this page, to keep it small: zoo.state_dict("${table.ids[row]}")["${kernels.name}"].`));
  }
  const [filters, channels, height, width] = kernels.shape;
  const size = filters * channels * height * width;
  const own = kernels.arrays.kernels.subarray(row * size, (row + 1) * size);
  const pictures = Array.from({ length: filters }, (_, filter) => kernelPicture(kernels, row, filter));
  const remark = own.includes(255)
    ? "Black: weights that are not finite."
    : "Grey is zero; " + (channels === 3 ? "each colour's" : "the") + " brightness grows with the weight.";
  return headed(
    title,
    element("div", { className: filters > 8 ? "kernels many" : "kernels" }, ...pictures),
    element("p", { className: "small" }, remark),
  );
}

class Card {
  constructor(table) {
    this.table = table;
    this.dialog = byId("card");
    this.wanted = -1;
    byId("close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.address(""));
    // A click on the dialog itself is one beside its content.
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  follow(explorer) {
    byId("before").addEventListener("click", () => explorer.step(-1));
    byId("after").addEventListener("click", () => explorer.step(1));
    this.dialog.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "ArrowLeft") explorer.step(-1);
      else if (event.key === "ArrowRight") explorer.step(1);
      else return;
      event.preventDefault();
    });
    this.explorer = explorer;
  }

  address(id) {
    try {
      const hash = id ? `#network=${encodeURIComponent(id)}` : location.pathname + location.search;
      history.replaceState(null, "", hash);
    } catch {
      // Some viewers do not let a page change its address; the card works without.
    }
  }

  async open(row) {
    this.wanted = row;
    const [curves, kernels] = await Promise.all([unpacked("data-curves"), unpacked("data-kernels")]);
    if (this.wanted !== row) return; // another one was asked for meanwhile
    const { ids, arrays, findings } = this.table;
    const title = byId("card-title");
    title.textContent = ids[row];
    const finding = arrays.finding[row];
    if (finding) title.append(element("span", { className: "badge" }, findings[finding - 1]));
    const columns = [
      headed("Metrics", metricsTable(this.table, row)),
      headed("Answers to the validation images", confusion(this.table, row)),
      ...curveSections(this.table, curves, row),
    ];
    byId("card-body").replaceChildren(
      element("div", { className: "columns" }, ...columns),
      kernelSection(this.table, kernels, row),
      headed("Load it", element("pre", {}, element("code", {}, `network = zoo.network("${ids[row]}")`))),
    );
    byId("before").disabled = this.explorer.active === 0;
    byId("after").disabled = this.explorer.active === this.explorer.rows.length - 1;
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    this.address(ids[row]);
  }
}

function linkedNetwork() {
  const found = /^#network=(.+)$/.exec(location.hash);
  try {
    return found && decodeURIComponent(found[1]);
  } catch {
    return null; // a broken link is no link
  }
}

async function start() {
  byId("explorer-off").hidden = true;
  try {
    const table = await unpacked("data-table");
    const card = new Card(table);
    byId("explorer-body").hidden = false;
    const explorer = new Explorer(table, (row) => card.open(row).catch(fault));
    card.follow(explorer);
    const follow = () => linkedNetwork() && explorer.show(linkedNetwork());
    window.addEventListener("hashchange", follow);
    follow();
  } catch (error) {
    fault(error);
  }
}

function fault(error) {
  const place = byId("explorer-fault");
  place.textContent = `The explorer does not work in this browser (${error}). A current one will do.`;
  place.hidden = false;
}

start();
