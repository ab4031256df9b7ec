// What htmx cannot do for a form, the browser does by itself: it shows what is the matter.

// Nothing came back: send the form as if there were no script.
document.addEventListener("htmx:sendError", (event) => {
  const form = event.detail.elt;
  if (!(form instanceof HTMLFormElement)) return;
  const pressed = event.detail.requestConfig?.triggeringEvent?.submitter;
  if (pressed?.name) {
    const answer = document.createElement("input");
    answer.type = "hidden";
    answer.name = pressed.name;
    answer.value = pressed.value;
    form.append(answer);
  }
  HTMLFormElement.prototype.submit.call(form);
});

// Another page came back, such as one to sign in: go there instead of showing a part of it here.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { isError, serverResponse } = event.detail;
  if (isError || serverResponse.includes('id="settings"')) return;
  event.detail.shouldSwap = false;
  window.location.reload();
});

// What had the focus is gone, such as the button that undoes: go on from the choice that it was about.
document.addEventListener("htmx:afterSettle", (event) => {
  if (document.activeElement && document.activeElement !== document.body) return;
  const { parameters } = event.detail.requestConfig ?? {};
  const next = document.getElementById(parameters?.at) ?? document.getElementById("content");
  next.tabIndex = -1;
  next.focus({ preventScroll: true });
});

// A no does not wait for what was pressed before it on the same form, and is not dropped for it. A
// yes that comes after it all the same is refused: it was given on a page that is old by then.
document.addEventListener(
  "click",
  (event) => {
    const pressed = event.target.closest?.('button[name="answer"][value="opt_out"]');
    if (pressed?.form) htmx.trigger(pressed.form, "htmx:abort");
  },
  true,
);
