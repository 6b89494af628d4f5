// A question before something is lost.

const dialog = document.getElementById("confirm");
const text = document.getElementById("confirm-text");

/** Whether the totals of a file are to be deleted. */
export function confirmDeletion(name) {
  text.textContent = `The totals of ${name} are removed, for all who have their address.`;
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "delete"), {
      once: true,
    });
  });
}
