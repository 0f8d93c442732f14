// Keeps a campaign's count fresh while somebody looks at it. Without it the page is right when loaded.
const live = document.getElementById("live");
const said = document.getElementById("live-said");
const language = document.documentElement.lang;
const number = new Intl.NumberFormat(language);
const WORDS_EVERY_MS = 5000; // the words are rendered by the server; the numbers come by themselves
const SAY_EVERY_MS = 10000; // a screen reader is told the count this often and no more

const wording = {
  number: (amount) => number.format(amount),
  hours: (minutes) => number.format(Math.floor(minutes / 60)) + " h",
};

function amountText(amount, unit) {
  if (wording[unit]) return wording[unit](amount);
  const money = new Intl.NumberFormat(language, { style: "currency", currency: unit });
  const digits = money.resolvedOptions().maximumFractionDigits;
  const isWhole = amount % 10 ** digits === 0;
  const shown = { style: "currency", currency: unit, minimumFractionDigits: isWhole ? 0 : digits };
  return new Intl.NumberFormat(language, shown).format(amount / 10 ** digits);
}

function have(bar, tally) {
  const { source, key } = bar.dataset;
  if (source === "people") return tally.people;
  if (source === "sum") return tally.sum[key] ?? 0;
  if (source === "place") return tally.places[key] ?? 0;
  return Object.values(tally.places).filter((people) => people >= Number(key)).length;
}

function draw(bar, tally) {
  const goal = Number(bar.dataset.goal);
  const amount = have(bar, tally);
  const waiting = bar.dataset.source === "people" ? tally.waiting_people : 0;
  const inside = Math.min(100, Math.floor((100 * amount) / goal));
  const reached = Math.min(100, Math.floor((100 * (amount + waiting)) / goal));
  const [solid, pale] = bar.querySelectorAll("rect");
  solid.setAttribute("width", `${inside}%`);
  pale.setAttribute("x", `${inside}%`);
  pale.setAttribute("width", `${reached - inside}%`);
  const text = amountText(amount, bar.dataset.unit);
  bar.querySelector("[data-text]").textContent = bar.dataset.pattern.replace("{have}", text);
}

const PITCH = 10; // the same as the server's dots

function dotsPath(first, end, columns) {
  let path = "";
  for (let i = first; i < end; i++) {
    path += `M${(i % columns) * PITCH + 5} ${Math.floor(i / columns) * PITCH + 5}h.01`;
  }
  return path;
}

function drawCrowd(crowd, tally) {
  const [goal, per, columns] = ["goal", "per", "columns"].map((name) => Number(crowd.dataset[name]));
  const cells = Math.ceil(goal / per);
  const full = (people) => (people >= goal ? cells : Math.floor(people / per));
  const inside = full(tally.people);
  const reached = full(tally.people + tally.waiting_people);
  crowd.querySelector(".dots-in").setAttribute("d", dotsPath(0, inside, columns));
  crowd.querySelector(".dots-wait").setAttribute("d", dotsPath(inside, reached, columns));
  crowd.querySelector(".dots-open").setAttribute("d", dotsPath(reached, cells, columns));
}

function show(tally) {
  for (const bar of live.querySelectorAll("[data-source]")) draw(bar, tally);
  for (const crowd of live.querySelectorAll(".crowd")) drawCrowd(crowd, tally);
  live.querySelector("[data-people]").textContent = number.format(tally.people);
  const waiting = live.querySelector("[data-waiting]");
  if (waiting) waiting.textContent = number.format(tally.waiting_people);
}

let sayAfter = 0;
function say(tally) {
  if (Date.now() < sayAfter) return;
  sayAfter = Date.now() + SAY_EVERY_MS;
  said.textContent = live.dataset.saidPeople
    .replace("{people}", number.format(tally.people))
    .replace("{waiting}", number.format(tally.waiting_people));
}

let wordsTimer = null;
function refreshWords() {
  if (wordsTimer !== null || document.hidden) return;
  // Everybody who watches hears of a change at once, so they ask at different moments.
  wordsTimer = setTimeout(async () => {
    await askForWords();
    wordsTimer = null;
  }, WORDS_EVERY_MS * (0.4 + 0.6 * Math.random()));
}

async function askForWords() {
  const answer = await fetch(live.dataset.fragment).catch(() => null);
  if (!answer?.ok) return answer;
  const state = answer.headers.get("X-Campaign-State");
  live.innerHTML = await answer.text();
  if (state && state !== live.dataset.state) turned(state);
  return answer;
}

function turned(state) {
  if (live.dataset.state === "open" && ["tipped", "settling", "settled"].includes(state)) {
    said.textContent = live.dataset.saidTipped;
    live.classList.add("is-tipping"); // the feast is in the style sheet, for those who like motion
    sayAfter = Date.now() + SAY_EVERY_MS;
  }
  live.dataset.state = state;
  // The rest of the page tells the story of the new state; wait until the news was read out, and
  // never take the page away from somebody who is using it.
  setTimeout(() => {
    if (document.activeElement === document.body) location.reload();
  }, 4000);
}

// Where no stream comes through, or the site has ended it to save its strength, the words are asked
// for instead; the longer it is busy, the less often.
const SLOWEST_POLL_MS = 60000;
let pollMs = WORDS_EVERY_MS;
let pollTimer = null;
function poll() {
  if (pollTimer !== null) return;
  pollTimer = setTimeout(async () => {
    pollTimer = null;
    if (!document.hidden) {
      const answer = await askForWords();
      pollMs = answer?.ok ? WORDS_EVERY_MS : Math.min(SLOWEST_POLL_MS, 2 * pollMs);
    }
    if (events.readyState !== EventSource.OPEN) poll();
  }, pollMs * (0.8 + 0.4 * Math.random()));
}

const LISTEN_AGAIN_MS = 60000; // a browser gives up for good on a stream that is refused
let events = null;
let isFirst = true;
function listen() {
  events = new EventSource(live.dataset.events);
  events.addEventListener("tally", (event) => {
    const tally = JSON.parse(event.data);
    show(tally);
    if (!isFirst) {
      say(tally);
      refreshWords();
    }
    isFirst = false;
  });
  events.addEventListener("error", () => {
    poll();
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, LISTEN_AGAIN_MS);
  });
}
if (live?.dataset.events) listen();
