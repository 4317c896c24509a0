// Comfort only: the study works without it. Letters and digits choose, Enter goes on, a form is sent once, and the time
// from when the image is there to when the answer is sent goes with it.
"use strict";

const form = document.querySelector("form");
const time = form && form.querySelector("input[name=ms]");

if (time) {
  const options = [...form.querySelectorAll("input[type=radio]")];
  const picture = document.querySelector(".picture");
  let start = null;
  let sent = false;
  const begin = () => { start = performance.now(); };

  if (picture && !picture.complete) picture.addEventListener("load", begin, { once: true });
  else begin();

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const key = event.key.toLowerCase();
    const place = key >= "1" && key <= "9" ? Number(key) - 1 : key.length === 1 ? key.charCodeAt(0) - 97 : -1;
    if (options[place]) {
      options[place].checked = true;
      options[place].focus();
      event.preventDefault();
    } else if (event.key === "Enter" && !event.target.closest("a, button")) {
      event.preventDefault();
      if (!event.repeat) form.requestSubmit();
    }
  });
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
    if (start !== null) time.value = (performance.now() - start).toFixed(1);
  });
  window.addEventListener("pageshow", (event) => {  // back from the browser's memory: ask for the page that is due
    if (event.persisted) window.location.reload();
  });
}
