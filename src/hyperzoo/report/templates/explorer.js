// The table of the networks: sorted, filtered, and drawn only where it is looked at.

const MARGIN = 12; // rows drawn beyond what is seen
const collator = new Intl.Collator("en", { numeric: true });

function figure(value, name) {
  if (!Number.isFinite(value)) return "–";
  if (name === "learning_rate") return value.toPrecision(3);
  if (name === "epoch" || name === "batch_size") return value.toLocaleString("en");
  return value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2) : value.toFixed(4);
}

/** Rows of the table that pass the filters, in order. Missing values come last. */
function chosenRows(table, filters, order) {
  const { ids, arrays, classes, findings } = table;
  const place = filters.class === "" ? -1 : classes.indexOf(filters.class);
  const finding = filters.finding === "" ? -1 : findings.indexOf(filters.finding) + 1;
  const values = arrays[`column.${filters.metric}`];
  const ranged = values && (filters.least !== null || filters.most !== null);
  const rows = [];
  for (let row = 0; row < ids.length; row++) {
    if (place >= 0 && arrays.class[row] !== place) continue;
    if (finding >= 0 && arrays.finding[row] !== finding) continue;
    if (filters.search && !ids[row].toLowerCase().includes(filters.search)) continue;
    if (ranged) {
      const value = values[row];
      if (!Number.isFinite(value)) continue;
      // Kept as float32: a bound typed as it is read must not lose the network it is read from.
      if (filters.least !== null && value < Math.fround(filters.least)) continue;
      if (filters.most !== null && value > Math.fround(filters.most)) continue;
    }
    rows.push(row);
  }
  const sign = order.descending ? -1 : 1;
  const sorted = arrays[`column.${order.name}`];
  if (order.name === "id") return rows.sort((a, b) => sign * collator.compare(ids[a], ids[b]));
  if (!sorted) return rows;
  return rows.sort((a, b) => {
    const known = Number.isFinite(sorted[b]) - Number.isFinite(sorted[a]);
    if (known || !Number.isFinite(sorted[a])) return known || a - b;
    return sign * (sorted[a] - sorted[b]) || a - b;
  });
}

function csvOf(table, rows) {
  const names = table.columns.map(([name]) => name);
  const lines = [["id", "class", "finding", ...names].join(",")];
  for (const row of rows) {
    const finding = table.arrays.finding[row];
    const cells = names.map((name) => {
      const value = table.arrays[`column.${name}`][row];
      return Number.isFinite(value) ? String(Number(value.toPrecision(7))) : "";
    });
    const own = [
      table.ids[row],
      table.classes[table.arrays.class[row]],
      finding ? table.findings[finding - 1] : "",
    ];
    lines.push([...own, ...cells].join(","));
  }
  return lines.join("\n") + "\n";
}

class Explorer {
  constructor(table, openCard) {
    this.table = table;
    this.openCard = openCard;
    this.grid = byId("grid");
    this.body = byId("networks").tBodies[0];
    this.order = { name: "", descending: false };
    this.rows = [];
    this.active = 0;
    this.top = element("tr", { className: "space", role: "presentation" });
    this.bottom = element("tr", { className: "space", role: "presentation" });
    this.drawn = [0, 0];
    this.drawHead();
    this.fillFilters();
    this.listen();
    this.refresh();
  }

  drawHead() {
    const row = element("tr");
    for (const [name, label] of [["id", "id"], ...this.table.columns]) {
      const button = element("button", { type: "button", tabIndex: -1 }, label);
      button.addEventListener("click", () => this.sort(name));
      const head = element("th", { scope: "col", className: name === "id" ? "" : "number" }, button);
      head.dataset.column = name;
      row.append(head);
    }
    // Column names are reached by Tab; the rows by the arrow keys.
    for (const button of row.querySelectorAll("button")) button.tabIndex = 0;
    byId("networks").tHead.replaceChildren(row);
  }

  fillFilters() {
    for (const name of this.table.classes) byId("class").append(new Option(name, name));
    for (const name of this.table.findings) byId("finding").append(new Option(name, name));
    byId("finding").parentElement.hidden = !this.table.findings.length;
    byId("class").parentElement.hidden = this.table.classes.length < 2;
    for (const [name, label] of this.table.columns) byId("metric").append(new Option(label, name));
    byId("metric").parentElement.hidden = !this.table.columns.length;
    if (this.table.metrics.includes("accuracy")) byId("metric").value = "accuracy";
  }

  listen() {
    const form = byId("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.refresh());
    form.addEventListener("reset", () => setTimeout(() => this.reset()));
    byId("save").addEventListener("click", () => download(csvOf(this.table, this.rows), "networks.csv"));
    this.grid.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw(true)).observe(this.grid);
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-place]");
      if (!row) return;
      this.choose(Number(row.dataset.place));
      this.open();
    });
  }

  reset() {
    if (this.table.metrics.includes("accuracy")) byId("metric").value = "accuracy";
    this.order = { name: "", descending: false };
    this.refresh();
  }

  /** What a bound's field says; null for none. A text that is no number is marked, not guessed. */
  bound(id) {
    const text = byId(id).value.trim().replace(",", ".");
    const value = Number(text);
    const valid = text === "" || Number.isFinite(value);
    byId(id).setAttribute("aria-invalid", String(!valid));
    return text !== "" && valid ? value : null;
  }

  sort(name) {
    if (this.order.name === name) this.order.descending = !this.order.descending;
    // The best come first: highest metrics, lowest loss.
    else this.order = { name, descending: this.table.metrics.includes(name) && name !== "loss" };
    this.refresh();
  }

  refresh() {
    const filters = {
      search: byId("search").value.trim().toLowerCase(),
      class: byId("class").value,
      finding: byId("finding").value,
      metric: byId("metric").value,
      least: this.bound("least"),
      most: this.bound("most"),
    };
    this.rows = chosenRows(this.table, filters, this.order);
    this.active = 0;
    const all = this.table.ids.length.toLocaleString("en");
    const count = this.rows.length.toLocaleString("en");
    byId("count").textContent = `${count} of ${all} networks`;
    byId("save").disabled = !this.rows.length;
    byId("networks").setAttribute("aria-rowcount", this.rows.length + 1);
    for (const head of byId("networks").tHead.rows[0].cells) {
      head.removeAttribute("aria-sort");
      if (head.dataset.column === this.order.name)
        head.setAttribute("aria-sort", this.order.descending ? "descending" : "ascending");
    }
    this.grid.scrollTop = 0;
    this.draw(true);
  }

  rowHeight() {
    return parseFloat(getComputedStyle(document.documentElement).fontSize) * 2.125;
  }

  /** Draw the rows that are seen, and a few around them. */
  draw(anew = false) {
    const height = this.rowHeight();
    const first = Math.floor(this.grid.scrollTop / height);
    const seen = Math.ceil(this.grid.clientHeight / height);
    const begin = Math.max(0, first - MARGIN);
    const end = Math.min(this.rows.length, first + seen + MARGIN);
    if (!anew && begin === this.drawn[0] && end === this.drawn[1]) return;
    this.drawn = [begin, end];
    this.top.style.height = `${begin * height}px`;
    this.bottom.style.height = `${(this.rows.length - end) * height}px`;
    const lines = [];
    for (let place = begin; place < end; place++) lines.push(this.line(place));
    this.body.replaceChildren(this.top, ...lines, this.bottom);
    this.mark();
  }

  line(place) {
    const row = this.rows[place];
    const { ids, arrays, columns, findings } = this.table;
    const head = element("th", { scope: "row" }, ids[row]);
    const finding = arrays.finding[row];
    if (finding) head.append(element("span", { className: "badge" }, findings[finding - 1]));
    const cells = columns.map(([name]) =>
      element("td", { className: "number" }, figure(arrays[`column.${name}`][row], name)),
    );
    const line = element("tr", { id: `network-${row}`, "aria-rowindex": place + 2 }, head, ...cells);
    line.dataset.place = place;
    return line;
  }

  mark() {
    for (const line of this.body.querySelectorAll("tr[data-place]")) {
      line.setAttribute("aria-selected", String(Number(line.dataset.place) === this.active));
    }
    if (this.rows.length) {
      this.grid.setAttribute("aria-activedescendant", `network-${this.rows[this.active]}`);
    } else this.grid.removeAttribute("aria-activedescendant");
  }

  /** Make a row the chosen one, and bring it into sight. */
  choose(place) {
    if (!this.rows.length) return;
    this.active = Math.min(Math.max(place, 0), this.rows.length - 1);
    const height = this.rowHeight();
    const head = byId("networks").tHead.offsetHeight;
    const above = this.active * height;
    const below = above + height + head - this.grid.clientHeight;
    if (this.grid.scrollTop > above) this.grid.scrollTop = above;
    else if (this.grid.scrollTop < below) this.grid.scrollTop = below;
    this.draw();
    this.mark();
  }

  key(event) {
    if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / this.rowHeight()) - 2);
    const places = {
      ArrowDown: this.active + 1,
      ArrowUp: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.rows.length - 1,
    };
    if (event.key in places) this.choose(places[event.key]);
    else if (event.key === "Enter") this.open();
    else return;
    event.preventDefault();
  }

  open() {
    if (this.rows.length) this.openCard(this.rows[this.active]);
  }

  /** The neighbour of the chosen network; the card's arrow keys come here. */
  step(by) {
    this.choose(this.active + by);
    this.open();
  }

  /** Choose a network by its id, whatever the filters say. */
  show(id) {
    const row = this.table.ids.indexOf(id);
    if (row < 0) return;
    let place = this.rows.indexOf(row);
    if (place < 0) {
      byId("filters").reset();
      this.reset();
      place = this.rows.indexOf(row);
    }
    this.choose(place);
    this.open();
  }
}
