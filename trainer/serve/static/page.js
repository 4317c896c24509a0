// The page: photographs go to the server once; how deep an answer goes is decided here, by the server's own rule.

const DARK = 0.72; // how much darker a place becomes that speaks for nothing
const HALF = 128; // of a map's maximum, 255: from there on a place is bright
const SIDE = 480; // pixels of the longer side of a drawn map
const AT_ONCE = 4; // photographs that are sent at the same time
const MOST = 200; // photographs that are taken at a time
const TRIES = 8; // of a server that is busy

const { mostBytes, root, maps } = document.body.dataset;
const slider = document.getElementById("confidence");
const choice = document.getElementById("choice");
const list = document.getElementById("cards");
const cards = new Set();
const waiting = [];
let sending = 0;
let notTaken = "";

/** How many levels hold, from the coarsest on, as long as each is as likely as the confidence: the rule `path`. */
export function depthAt(chain, confidence) {
  const first = chain.findIndex((link) => !(link.probability >= confidence));
  return first < 0 ? chain.length : first;
}

/** How many levels serve an audience best: down to the last of the largest F_k P_k. */
export function depthFor(chain, served) {
  const worth = chain.map((link, k) => served[k] * link.probability);
  return worth.lastIndexOf(Math.max(...worth)) + 1;
}

/** A probability or a share in percent, as `hiertrain predict` writes it: only all of it is 100 %, only nothing is 0 %. */
export function percent(share) {
  if (share >= 0.995 && share < 1) return ">99\u00a0%";
  return share > 0 && share < 0.005 ? "<1\u00a0%" : `${Math.floor(100 * share + 0.5)}\u00a0%`;
}

/** What is too little, in percent, where it takes so many percent: `<80 %` where to the nearest it would be as much. */
export function tooLittle(probability, takes) {
  return 100 * probability + 0.5 >= takes ? `<${takes}\u00a0%` : percent(probability);
}

function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** By what the depth is chosen: `served` of an audience, or a `confidence`, the slider's or one that the model has. */
const rule = () => JSON.parse(choice.selectedOptions[0].dataset.rule ?? `{"confidence":${Number(slider.value) / 100}}`);
const depthBy = ({ served, confidence }, chain) => (served ? depthFor(chain, served) : depthAt(chain, confidence));

/** How likely a level would have to be to be said, where the chain is said down to a depth; null where it is said anyway. */
function needed({ served, confidence }, chain, depth, k) {
  if (!served) return confidence;
  return k < depth ? null : (served[depth - 1] * chain[depth - 1].probability) / served[k];
}

const chosenMap = () => document.querySelector("input[name=map]:checked")?.value ?? "";
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// Photographs come in

function take(files) {
  const taken = Array.from(files).slice(0, MOST).map(newCard);
  notTaken = files.length > MOST ? `Only the first ${MOST} of ${files.length} were taken. ` : "";
  if (files.length === 0) notTaken = "That held no file. Save the picture first, then give the file. ";
  list.prepend(...taken.map((card) => card.element));
  for (const card of taken) {
    cards.add(card);
    if (card.refusal === "") waiting.push(card);
    show(card);
  }
  tell();
  send();
}

function refusalOf(file) {
  if (file.size > Number(mostBytes)) return `it is larger than ${Number(mostBytes) / 1048576} MiB`;
  if (file.type !== "" && (!file.type.startsWith("image/") || file.type.includes("svg"))) return `${file.type} is no photograph`;
  return "";
}

function newCard(file) {
  const card = { file, refusal: refusalOf(file), reply: null, element: make("li"), says: make("div", "says") };
  if (card.refusal === "") card.element.append(newPicture(card));
  card.element.append(card.says);
  return card;
}

function newPicture(card) {
  card.image = make("img");
  card.image.src = card.address = URL.createObjectURL(card.file);
  card.image.alt = card.file.name;
  card.canvas = make("canvas");
  card.canvas.hidden = true;
  card.caption = make("figcaption", "", card.file.name);
  const frame = make("div", "frame", card.image, card.canvas);
  card.image.addEventListener("error", () => {
    frame.replaceWith(make("p", "how", "This browser cannot show this format."));
    draw(card);
  });
  card.image.addEventListener("load", () => draw(card));
  return make("figure", "", frame, card.caption);
}

function remove(card) {
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
  (next?.querySelector("button") ?? document.getElementById("files")).focus();
  URL.revokeObjectURL(card.address);
  card.element.remove();
  cards.delete(card);
  tell();
}

// The server is asked

function send() {
  while (sending < AT_ONCE && waiting.length > 0) {
    const card = waiting.shift();
    if (!cards.has(card)) continue;
    sending += 1;
    ask(card.file)
      .then((reply) => { card.reply = reply; }, (error) => { card.refusal = error.message; })
      .finally(() => { sending -= 1; show(card); draw(card); send(); });
  }
}

async function ask(file) {
  const type = file.type || "application/octet-stream";
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(`api/answer?confidence=0${maps === "yes" ? "&maps=1" : ""}`, { method: "POST", body: file, headers: { "Content-Type": type } });
    } catch {
      throw new Error("the file cannot be read, or the server cannot be reached");
    }
    const reply = await answer.json().catch(() => ({ error: `the server answered with status ${answer.status}` }));
    if (answer.ok) return reply;
    if (answer.status !== 503 || attempt === TRIES) throw new Error(reply.error);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// What is shown of a photograph

function show(card) {
  card.says.replaceChildren(...(card.refusal ? refused(card) : card.reply?.unknown ? unknown() : card.reply ? answered(card.reply.chain) : pending()), bottom(card));
  tell();
}

const pending = () => [make("p", "answer soft", "Looking …")];
const unknown = () => [make("p", "answer", "Unknown"), make("p", "how", "It is too unlike all that was learned from.")];
const refused = (card) => [make("p", "refusal", make("strong", "", card.file.name), ` was not answered: ${card.refusal}`)];

function bottom(card) {
  const button = make("button", "", "Remove");
  button.type = "button";
  button.setAttribute("aria-label", `Remove ${card.file.name}`);
  button.addEventListener("click", () => remove(card));
  return make("p", "card-end", button);
}

function answered(chain) {
  const by = rule();
  const depth = depthBy(by, chain);
  const links = make("ol", "chain", ...chain.map((link, k) => row(link, k < depth, needed(by, chain, depth, k))));
  return [make("p", "answer", depth > 0 ? chain[depth - 1].label : capital(root)), make("p", "how", how(by, chain, depth)), links];
}

function how(by, chain, depth) {
  const sure = depth > 0 ? `${percent(chain[depth - 1].probability)} sure. ` : "";
  const whom = by.name ? ` for ${by.name}` : "";
  if (depth === chain.length) return by.name ? `${sure}As deep as it goes${whom}.` : sure;
  const takes = Math.ceil(100 * needed(by, chain, depth, depth) - 1e-9);
  const found = tooLittle(chain[depth].probability, takes);
  return `${sure}Not sure enough of the ${chain[depth].level}${whom}: ${found}; it takes ${takes}\u00a0%.`;
}

function row(link, said, takes) {
  const bar = make("div", "bar", make("i"), ...(takes === null ? [] : [make("b")]));
  bar.setAttribute("aria-hidden", "true");
  bar.firstChild.style.width = `${100 * link.probability}%`;
  if (takes !== null) bar.lastChild.style.left = `${100 * takes}%`;
  const name = make("span", "", make("span", "level", link.level), make("span", "label", said ? link.label : `perhaps ${link.label}`));
  return make("li", said ? "said" : "unsaid", make("div", "row", name, make("span", "share", percent(link.probability))), bar);
}

let timer = 0;

function tell() {
  clearTimeout(timer);
  timer = setTimeout(() => { document.getElementById("said").textContent = notTaken + summary(); }, 150);
}

function summary() {
  const counts = new Map();
  const by = rule();
  for (const card of cards) {
    const chain = card.reply?.chain ?? [];
    const depth = depthBy(by, chain);
    const what = card.refusal ? "not answered" : !card.reply ? "under way" : card.reply.unknown ? "unknown" : depth > 0 ? `named down to the ${chain[depth - 1].level}` : `named ${root} and no more`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return Array.from(counts, ([what, count]) => `${count} ${what}`).join(", ");
}

// Where it looked

async function draw(card) {
  const chosen = chosenMap();
  const map = chosen === "" ? undefined : card.reply?.maps?.[Number(chosen)];
  if (!card.canvas) return;
  card.canvas.hidden = map === undefined;
  const where = map === undefined || !card.image.isConnected ? "" : explained(map);
  card.caption.replaceChildren(card.file.name, ...(where ? [make("br"), where] : []));
  card.image.alt = where ? `${card.file.name}. ${where}` : card.file.name;
  if (map === undefined || !card.image.naturalWidth) return;
  const picture = new Image();
  picture.src = map.png;
  await picture.decode();
  if (chosenMap() === chosen) shade(card, picture);
}

function explained(map) {
  if (map.area === 0) return `Dark: nothing in it speaks for ${map.label} (${map.level}).`;
  return `Bright: what speaks for ${map.label} (${map.level}), ${percent(map.area)} of the picture.`;
}

/** Darken what is weak on a map, and draw a white line around what is strong. */
function shade({ canvas, image }, picture) {
  const scale = SIDE / Math.max(image.naturalWidth, image.naturalHeight);
  const width = canvas.width = Math.max(1, Math.round(scale * image.naturalWidth));
  const height = canvas.height = Math.max(1, Math.round(scale * image.naturalHeight));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height);
  const strength = Uint8Array.from({ length: width * height }, (_, i) => pixels.data[4 * i]);
  const isStrong = (x, y) => strength[Math.min(y, height - 1) * width + Math.min(x, width - 1)] >= HALF;
  for (let y = 0, i = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, i += 1) {
      const edge = isStrong(x, y) !== isStrong(x + 2, y) || isStrong(x, y) !== isStrong(x, y + 2);
      const alpha = edge ? 255 : 255 * DARK * (1 - Math.min(strength[i] / HALF, 1));
      pixels.data.set([edge ? 255 : 0, edge ? 255 : 0, edge ? 255 : 0, alpha], 4 * i);
    }
  }
  context.putImageData(pixels, 0, 0);
}

// What people do

function slid() {
  const words = { 0: "however unsure", 100: "certain" }[slider.value] ?? `at least ${slider.value} % sure`;
  document.getElementById("sure").textContent = words;
  slider.setAttribute("aria-valuetext", words);
  showAll();
}

function showAll() {
  for (const card of cards) if (card.reply) show(card);
}

function chosen() {
  const { said } = rule();
  document.getElementById("by-slider").hidden = said !== undefined;
  const whose = document.getElementById("whose");
  whose.hidden = said === undefined;
  whose.textContent = said === undefined ? "" : `${capital(said)}.`;
  showAll();
}

choice.addEventListener("change", chosen);
slider.addEventListener("input", slid);
document.getElementById("settings").addEventListener("submit", (event) => event.preventDefault());
for (const choice of document.querySelectorAll("input[name=map]")) choice.addEventListener("change", () => cards.forEach(draw));

const input = document.getElementById("files");
input.addEventListener("change", () => { take(input.files); input.value = ""; });

const drop = document.getElementById("drop");
document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (event.relatedTarget === null) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length > 0) take(event.clipboardData.files); });

chosen();
slid();
