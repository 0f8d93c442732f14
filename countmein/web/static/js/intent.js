// Keeps what somebody meant to pledge while the door is full, and sends it again by itself.
// Without it the page has everything in hidden fields and a button.
const KEEP_MS = 60 * 60 * 1000; // as long as the place in the line is kept
const LONGEST_MS = 60 * 1000;
const PREFIX = "countmein-intent-";
const form = document.querySelector("form[data-intent]");

function kept(code) {
  try {
    const intent = JSON.parse(localStorage.getItem(PREFIX + code));
    return intent && Date.now() - intent.at < KEEP_MS ? intent : null;
  } catch {
    return null; // no storage, or somebody else's words in it
  }
}

function keep(code, intent) {
  try {
    localStorage.setItem(PREFIX + code, JSON.stringify(intent));
  } catch {
    // Without storage the hidden fields still have it.
  }
}

function forgetAll() {
  try {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(PREFIX)) localStorage.removeItem(name);
    }
  } catch {
    // Nothing was kept then.
  }
}

function sendAgain() {
  const { code, retrySeconds } = form.dataset;
  // The token against forged forms belongs to the session, not to what was meant.
  const fields = [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");
  const before = kept(code);
  const tries = (before?.tries ?? 0) + 1;
  keep(code, { at: before?.at ?? Date.now(), tries, fields });
  const said = document.getElementById("intent-said");
  said.textContent = said.dataset.waiting;
  // Longer each time, and at different moments for everybody.
  const most = Math.min(LONGEST_MS, Number(retrySeconds) * 1000 * 2 ** (tries - 1));
  setTimeout(() => form.requestSubmit(), most * (0.5 + 0.5 * Math.random()));
}

function refill() {
  const intent = kept(form.dataset.code);
  if (!intent) return;
  for (const [name, value] of intent.fields) {
    const fields = [...form.elements].filter((field) => field.name === name);
    for (const field of fields) {
      if (field.type === "radio" || field.type === "checkbox") field.checked ||= field.value === value;
      else field.value = value;
    }
    if (!fields.length) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name, value });
      form.append(field);
    }
  }
}

if (form?.dataset.intent === "keep") sendAgain();
else if (form?.dataset.intent === "refill") refill();
else if (document.querySelector("[data-intent=done]")) forgetAll();
