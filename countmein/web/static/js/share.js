// Sharing by the phone's own sheet, copying the link, and the button that follows down the page.
// Without it there are links to hand the words to, and the words themselves to copy.
const part = document.getElementById("share-it");
if (part) {
  const { url, words, title } = part.dataset;
  const native = part.querySelector("[data-share=native]");
  const copy = part.querySelector("[data-share=copy]");
  native.hidden = !navigator.share;
  native.addEventListener("click", () => navigator.share({ title, text: words, url }).catch(() => {}));
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(url);
    const label = copy.querySelector("span");
    const before = label.textContent;
    label.textContent = document.getElementById("share-said").textContent = copy.dataset.done;
    setTimeout(() => (label.textContent = before), 2500);
  });
}

// The bar at the foot of a phone is there while the button itself is out of sight.
const join = document.getElementById("join");
const bar = document.querySelector(".pledge-bar");
if (join && bar) {
  new IntersectionObserver(([seen]) => bar.classList.toggle("is-needless", seen.isIntersecting)).observe(join);
}
