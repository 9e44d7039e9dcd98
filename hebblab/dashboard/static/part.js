/** What every part of the page does: draw its view, pass messages, say hello, tidy up. */

const ROOT = ".hebblab-lab";

/** Call `found` with the Lab's root once the part stands in it; return what ends the wait. */
function whenRooted(el, found) {
  let timer = null, wait = 30;
  const look = () => {
    const root = el.isConnected ? el.closest(ROOT) : null;
    wait = Math.min(1.1 * wait, 1000);
    if (root) found(root);
    else timer = setTimeout(look, wait);
  };
  look();
  return () => clearTimeout(timer);
}

/**
 * Connect a part to its model.
 *
 * `make(send, listen)` builds the part's elements in `el` and returns {draw(view), message(content,
 * buffers), rooted(root)}. `listen(target, event, act)` is an event listener that ends with the part.
 */
export function connect({ model, el }, make) {
  const ends = [];
  const send = (content) => {
    try {
      model.send(content);
    } catch {
      // The comm is gone with its kernel: the link says so.
    }
  };
  const listen = (target, event, act, options) => {
    target.addEventListener(event, act, options);
    ends.push(() => target.removeEventListener(event, act, options));
  };
  const part = make(send, listen, (end) => ends.push(end));
  const draw = () => part.draw(model.get("view") || {});
  const message = (content, buffers) => part.message?.(content || {}, buffers || []);
  model.on("change:view", draw);
  model.on("msg:custom", message);
  ends.push(() => model.off("change:view", draw), () => model.off("msg:custom", message));
  draw();
  if (part.rooted) ends.push(whenRooted(el, part.rooted));
  send({ do: "hello", hidden: document.hidden });
  return () => ends.forEach((end) => end());
}
