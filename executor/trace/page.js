// Writes the entries below each other.
addEventListener("DOMContentLoaded", () => {
  const list = document.createElement("pre");
  list.textContent = document.getElementById("entries").textContent;
  document.body.append(list);
});
