// Inside the widget's frame: tells the page around it how tall it is, and keeps the count fresh.
const EVERY_MS = 30_000;
const card = document.getElementById("embed");
const live = document.getElementById("live");

function tell() {
  // Anybody may know the height of a public count.
  parent.postMessage({ countmein: location.pathname, height: Math.ceil(card.getBoundingClientRect().height) }, "*");
}
new ResizeObserver(tell).observe(card);

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(live.dataset.fragment).catch(() => null);
  if (answer?.ok) live.innerHTML = await answer.text();
}
setInterval(refresh, EVERY_MS * (0.8 + 0.4 * Math.random()));
