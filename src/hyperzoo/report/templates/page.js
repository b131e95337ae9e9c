"use strict";

// What the whole page shares: reading packed data, building elements, theme, downloads.

const byId = (id) => document.getElementById(id);

/** An element with properties and children; texts are only ever set as text. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

async function unzipped(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };
const unpackedOnce = new Map();

/** The header and arrays that `packing.pack` packed; null where the page has none. */
function unpacked(id) {
  if (!unpackedOnce.has(id)) unpackedOnce.set(id, unpack(byId(id)));
  return unpackedOnce.get(id);
}

async function unpack(holder) {
  if (!holder) return null;
  const buffer = await unzipped(fromBase64(holder.textContent.trim()));
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let begin = 4 + length;
  const arrays = {};
  for (const [name, type, size] of header.arrays) {
    const end = begin + size * ARRAYS[type].BYTES_PER_ELEMENT;
    arrays[name] = new ARRAYS[type](buffer.slice(begin, end));
    begin = end;
  }
  return { ...header, arrays };
}

function download(content, name) {
  const address = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// Without a script a figure's data is saved as it is kept, gzipped; with one as plain CSV.
function unzipDownloads() {
  for (const link of document.querySelectorAll("a.csv")) {
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const bytes = fromBase64(link.href.slice(link.href.indexOf(",") + 1));
      download(await unzipped(bytes), link.download.replace(/\.gz$/, ""));
    });
  }
}

function remembered(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch {
    // A page opened from a file may have no storage: then nothing is remembered.
  }
  return null;
}

function themes() {
  const button = byId("theme");
  const names = ["system", "light", "dark"];
  let chosen = Math.max(names.indexOf(remembered("hyperzoo-theme")), 0);
  const show = () => {
    const name = names[chosen];
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
  };
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % names.length;
    remembered("hyperzoo-theme", names[chosen]);
    show();
  });
  button.hidden = false;
  show();
}

/** Mark in the contents the section that is being read. */
function followReading() {
  const links = new Map();
  for (const link of document.querySelectorAll("nav a")) links.set(link.hash.slice(1), link);
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const section of document.querySelectorAll("main > section")) watcher.observe(section);
}

themes();
followReading();
unzipDownloads();
