// A slider beside the number of people somebody waits for, which says what it means today.
// Without it the number can be typed, and a sentence says from where on one waits.
const slider = document.getElementById("slider");
if (slider) {
  const range = slider.querySelector("input");
  const typed = document.getElementById("condition_people");
  const said = slider.querySelector(".slider-said");
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const withMe = Number(slider.dataset.withMe);

  function say(wanted) {
    const words = wanted <= withMe ? slider.dataset.in : slider.dataset.wait;
    said.textContent = words.replace("{n}", number.format(wanted - withMe));
    range.setAttribute("aria-valuetext", `${number.format(wanted)}. ${said.textContent}`);
  }

  range.addEventListener("input", () => {
    typed.value = range.value;
    say(Number(range.value));
  });
  typed.addEventListener("input", () => {
    const wanted = Number(typed.value.replace(/\s/g, ""));
    if (wanted >= 1) {
      range.value = wanted;
      say(wanted);
    }
  });
  const first = Math.max(Number(typed.value) || withMe, Number(range.min));
  range.value = first;
  say(first);
  slider.hidden = false;
}
