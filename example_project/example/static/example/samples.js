// A click on a sample number writes it into the field.

const field = () => document.querySelector('input[type="tel"]');

for (const place of document.querySelectorAll(".samples dd")) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: place.textContent });
  button.addEventListener("click", () => {
    field().value = button.textContent;
    field().focus();
  });
  place.replaceChildren(button);
}
