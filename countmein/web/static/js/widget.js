// <count-me-in campaign="abc123" theme="dark" accent="brand"></count-me-in> on anybody's page:
// a frame that shows the campaign's count. Load it with <script src=".../static/js/widget.js" defer>.
{
  const home = new URL(document.currentScript.src).origin;
  const pass = ["theme", "accent"];

  class CountMeIn extends HTMLElement {
    static observedAttributes = ["campaign", ...pass];

    connectedCallback() {
      if (!this.shadowRoot) {
        const frame = document.createElement("iframe");
        frame.title = this.getAttribute("label") ?? "Count me in";
        frame.loading = "lazy";
        frame.referrerPolicy = "origin";
        Object.assign(frame.style, { inlineSize: "100%", blockSize: "26rem", border: "0", display: "block" });
        this.style.display ||= "block";
        this.style.maxInlineSize ||= "26rem";
        this.attachShadow({ mode: "open" }).append(frame);
      }
      this.heard ??= (event) => this.hear(event);
      addEventListener("message", this.heard);
      this.show();
    }

    disconnectedCallback() {
      removeEventListener("message", this.heard);
    }

    attributeChangedCallback() {
      if (this.shadowRoot) this.show();
    }

    get frame() {
      return this.shadowRoot.querySelector("iframe");
    }

    show() {
      const url = new URL(`/embed/${encodeURIComponent(this.getAttribute("campaign") ?? "")}/`, home);
      for (const name of pass) {
        if (this.hasAttribute(name)) url.searchParams.set(name, this.getAttribute(name));
      }
      if (this.frame.src !== url.href) this.frame.src = url.href;
    }

    hear({ origin, source, data }) {
      if (origin !== home || source !== this.frame.contentWindow || !(data?.height > 0)) return;
      this.frame.style.blockSize = `${Math.min(data.height + 2, 2000)}px`;
    }
  }

  if (!customElements.get("count-me-in")) customElements.define("count-me-in", CountMeIn);
}
