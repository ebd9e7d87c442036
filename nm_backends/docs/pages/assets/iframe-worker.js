// Browsers start no workers for pages that are read from disk. The search runs in a hidden frame
// there, which needs no server. (The theme looks for a script of this name before it takes its own
// from the network.)
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      this.inside.postMessage = (data) => this.tell(this, data);
      const script = frame.contentDocument.createElement("script");
      script.src = new URL(url, location.href).href;
      this.ready = new Promise((loaded) => (script.onload = loaded));
      frame.contentDocument.body.append(script);
    }
    postMessage(data) {
      this.ready.then(() => this.tell(this.inside, data));
    }
    tell(target, data) {
      setTimeout(() => target.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
