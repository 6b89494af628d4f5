// The token that some services ask for. The server keeps it in a cookie that no script can read.

import { isSignedIn, rememberSignedIn } from "./memory.js";

const signOut = document.getElementById("sign-out");
const dialog = document.getElementById("sign-in");
const input = document.getElementById("token");
const problem = document.getElementById("sign-in-problem");

let pending = null;

/**
 * Ask for the token; resolves once the service has taken it. All who ask meanwhile wait for the
 * same.
 */
export function signIn() {
  pending ??= new Promise((resolve) => {
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      problem.textContent = await open(input.value.trim());
      if (problem.textContent) return;
      input.value = "";
      dialog.close();
      pending = null;
      rememberSignedIn(true);
      signOut.hidden = false;
      resolve();
    };
    // There is nothing behind it to go on with, and a page can keep it from closing only once.
    dialog.onclose = () => pending && !dialog.open && dialog.showModal();
    dialog.showModal();
  });
  return pending;
}

/** Open a session with the token: what went wrong, or nothing. */
async function open(token) {
  try {
    const answer = await fetch("session", {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
    });
    if (answer.ok) return "";
    return answer.status === 401
      ? "The service does not know this token."
      : (await answer.json()).message;
  } catch {
    return "The service could not be asked; try again.";
  }
}

signOut.hidden = !isSignedIn();
signOut.addEventListener("click", async () => {
  await fetch("session", { method: "DELETE" });
  rememberSignedIn(false);
  location.reload();
});
