"use strict";
(() => {
  const fold = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const index = new Map();
  const nodes = [...document.querySelectorAll("#tree li")].map((li, i) => {
    index.set(li, i);
    const details = li.querySelector(":scope > details");
    const row = details ? details.firstElementChild : li.firstElementChild;
    const texts = [...row.querySelectorAll(".name, code")].map(el => ({ el, text: el.textContent }));
    return { li, details, texts, key: texts.map(t => fold(t.text)).join("\n"), up: index.get(li.parentElement.closest("li")) };
  });
  const classes = nodes.filter(node => !node.details).length;
  const query = document.getElementById("query"), found = document.getElementById("found");

  // Where `wanted` stands in `text` as written: folding may change lengths, so fold letter by letter.
  const span = (text, wanted) => {
    let folded = "";
    const at = [];
    let i = 0;
    for (const letter of text) {
      const plain = fold(letter);
      for (let n = 0; n < plain.length; n++) at.push(i);
      folded += plain;
      i += letter.length;
    }
    at.push(i);
    const start = folded.indexOf(wanted);
    return start < 0 ? null : [at[start], at[start + wanted.length]];
  };

  const highlight = ({ el, text }, wanted) => {
    const place = wanted && span(text, wanted);
    el.textContent = place ? text.slice(0, place[0]) : text;
    if (!place) return;
    const mark = document.createElement("mark");
    mark.textContent = text.slice(...place);
    el.append(mark, text.slice(place[1]));
  };

  const search = () => {
    const wanted = fold(query.value.trim());
    const hit = nodes.map(node => wanted !== "" && node.key.includes(wanted));
    const shown = [...hit], open = nodes.map(() => false);
    nodes.forEach((node, i) => { if (node.up !== undefined && shown[node.up]) shown[i] = true; });  // what is under a hit
    for (let i = nodes.length - 1; i >= 0; i--) {                                                   // and what is above
      const up = nodes[i].up;
      if (up === undefined) continue;
      if (hit[i] || open[i]) open[up] = true;
      if (shown[i]) shown[up] = true;
    }
    let left = 0;
    nodes.forEach((node, i) => {
      node.li.hidden = wanted !== "" && !shown[i];
      if (node.details) node.details.open = open[i];
      else if (shown[i]) left++;
      node.texts.forEach(text => highlight(text, hit[i] ? wanted : ""));
    });
    found.textContent = wanted ? `${left} of ${classes} classes` : "";
  };

  const setAll = open => nodes.forEach(node => { if (node.details) node.details.open = open; });
  query.addEventListener("input", search);
  document.getElementById("expand").addEventListener("click", () => setAll(true));
  document.getElementById("collapse").addEventListener("click", () => setAll(false));
  document.addEventListener("keydown", event => {
    if (event.key === "/" && document.activeElement !== query) { event.preventDefault(); query.focus(); }
    if (event.key === "Escape" && document.activeElement === query) { query.value = ""; search(); }
  });
  document.querySelector(".tools").hidden = false;
  search();
})();
