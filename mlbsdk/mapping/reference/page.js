// Hides the columns that lack the words searched for, and the tables that have none left.
const box = document.getElementById("find");
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  let any = false;
  for (const section of document.querySelectorAll("section[data-table]")) {
    const inName = has(section.dataset.table);
    let shown = false;
    for (const row of section.querySelectorAll("tr[data-column]")) {
      row.hidden = !inName && !has(row.textContent);
      shown = shown || !row.hidden;
    }
    section.hidden = !shown;
    document.querySelector(`nav a[href="#${section.id}"]`).parentElement.hidden = !shown;
    any = any || shown;
  }
  document.getElementById("none").hidden = any;
});
