// How files come in: dropped anywhere on the page, chosen, or the example.

const EXAMPLE = `Song,Date,Number of Plays
Umbrella,2020-01-02,200
Umbrella,2020-01-01,100
In The End,2020-01-01,500
Umbrella,2020-01-01,50
In The End,2020-01-01,1000
Umbrella,2020-01-02,50
In The End,2020-01-02,500
`;

/** Tell `onFiles(files, options)` what comes in, and `onProblem(text)` what cannot. */
export function takeFiles(onFiles, onProblem) {
  const input = document.getElementById("files");
  const take = (files, folders = []) => {
    onProblem(whatIsNotTaken(files, folders));
    onFiles(
      files.filter((file) => file.size > 0),
      optionsOf(document.getElementById("options")),
    );
  };
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  document
    .getElementById("example")
    .addEventListener("click", () => take([new File([EXAMPLE], "example.csv")]));
  takeDropped(take);
}

function takeDropped(take) {
  const root = document.documentElement;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // of the elements that were entered and not yet left
  const over = (change) => {
    depth = Math.max(depth + change, 0);
    root.classList.toggle("dropping", depth > 0);
  };
  root.addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  root.addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  root.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  root.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(-depth);
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const isFolder = (item) => item.webkitGetAsEntry()?.isDirectory;
    take(
      items.filter((item) => !isFolder(item)).map((item) => item.getAsFile()),
      items.filter(isFolder).map((item) => item.webkitGetAsEntry().name),
    );
  });
}

function whatIsNotTaken(files, folders) {
  const empty = files.filter((file) => file.size === 0).map((file) => file.name);
  const problems = [];
  if (empty.length) problems.push(`There is nothing in ${empty.join(", ")}.`);
  if (folders.length)
    problems.push(`Folders are not taken (${folders.join(", ")}); drop the files in them.`);
  return problems.join(" ");
}

function optionsOf(form) {
  const { on_error, encoding } = Object.fromEntries(new FormData(form));
  return { on_error: on_error === "skip" ? "skip" : "", encoding };
}
