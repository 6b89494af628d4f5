// The page, wired: what comes in goes to the list.

import { takeFiles } from "./intake.js";
import { List } from "./list.js";

const notice = document.getElementById("notice");

function showProblem(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

const list = new List(document.getElementById("tasks"), showProblem);
list.restore();
takeFiles((files, options) => list.upload(files, options), showProblem);
