(() => {
"use strict";
const data = JSON.parse(document.getElementById("=data").textContent);
const bytes = atob(data.digests);
const rows = [...document.querySelectorAll("main section[data-r] li")];
const at = new Map(rows.map((li, i) => [li.id, i]));

// Elements are made with text alone: nothing from a registry is read as HTML.
const make = (name, attributes, ...children) => {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
};
const hex = n => {
  let text = "";
  for (let i = 32 * n; i < 32 * n + 32; i++) text += bytes.charCodeAt(i).toString(16).padStart(2, "0");
  return text;
};
const digest = n => "sha256:" + hex(n);
const short = text => text.slice(0, 19) + "…";
const stamp = minutes => new Date(minutes * 60000).toISOString().slice(0, 16).replace("T", " ");
const ago = minutes => {
  const past = Date.now() / 60000 - minutes, say = (n, unit) => new Intl.RelativeTimeFormat("en").format(-Math.round(n), unit);
  if (past < 90) return say(past, "minute");
  if (past < 36 * 60) return say(past / 60, "hour");
  return say(past / 1440, "day");
};

const copy = async (text, button) => {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", {readonly: ""});
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  const was = button.textContent;
  button.textContent = done ? "Copied" : "Failed";
  setTimeout(() => { button.textContent = was; }, 1500);
};
const copier = (text, label) => {
  const button = make("button", {type: "button", class: "c", "aria-label": "Copy " + text}, label);
  button.addEventListener("click", () => copy(text, button));
  return button;
};
const line = (says, text) => [says, make("div", {class: "copy"}, make("code", {}, text), copier(text, "Copy"))];
const version = (versions, k) => Array.isArray(versions) ? versions[k] : versions;

const who = by => {
  const parts = [];
  if (/^https?:\/\//.test(by[0])) parts.push(make("a", {href: by[0], rel: "noreferrer noopener"}, "run"));
  else if (by[0]) parts.push(by[0]);
  if (by[1]) parts.push(parts.length ? ", commit " : "commit ", make("code", {}, by[1].slice(0, 12)));
  return parts.length ? [" by ", ...parts] : [];
};

const deeds = ["Moved", "Made", "Deleted", "Put back"];

// An alias is [platforms, versions, first digest, states, messages]; its digests are its
// own, one for each platform, and one for each state.
const body = (li, i) => {
  const [set, versions, first, states, messages] = data.aliases[i];
  const platforms = data.platforms[set], name = li.closest("section").dataset.r + ":" + li.querySelector("b").textContent;
  const box = make("div", {class: "body"});
  for (const [bad, m] of messages || []) box.append(make("p", {class: bad ? "msg bad" : "msg"}, m));
  if (first >= 0) {
    box.append(...line("In compose.yml:", "image: " + name), ...line("The same, pinned to what it is now:", "image: " + name + "@" + digest(first)));
    const table = make("tbody", {});
    platforms.forEach((p, k) => {
      const d = digest(first + 1 + k);
      table.append(make("tr", {}, make("td", {}, p || "artifact"), make("td", {class: "v"}, version(versions, k) || "–"),
        make("td", {}, make("code", {class: "long"}, short(d)), " ", copier(d, "Copy digest"))));
    });
    if (platforms.length) box.append(make("table", {}, make("thead", {}, make("tr", {}, make("th", {}, "Platform"), make("th", {}, "Version"), make("th", {}, "Image"))), table));
  }
  const list = make("ol", {});
  for (const [when, by, did, old, n, gap] of states || []) {
    const item = make("li", {}, deeds[did] + " ", make("time", {}, stamp(when) + " (" + ago(when) + ")"), ...who(data.by[by]));
    if (n >= 0) item.append(make("br", {}), "It was ", make("span", {class: "v"}, old || "of unknown versions"), ", ", make("code", {}, short(digest(n))), " ", copier(digest(n), "Copy digest"));
    if (gap) item.append(n >= 0 ? ", brought by a move that is in no journal" : ", after a deletion that is in no journal");
    list.append(item);
  }
  if (list.children.length) box.append(list);
  box.append(make("a", {href: "#" + li.id}, "Link to " + li.id));
  return box;
};

const toggle = (li, open) => {
  const button = li.firstElementChild;
  li.classList.toggle("open", open);
  button.setAttribute("aria-expanded", String(open));
  li.querySelector(".body")?.remove();
  if (open) li.append(body(li, at.get(li.id)));
};
for (const li of rows) {
  const button = make("button", {type: "button", "aria-expanded": "false"});
  button.append(...li.childNodes);
  li.append(button);
}
document.querySelector("main").addEventListener("click", e => {
  const button = e.target.closest("li>button");
  if (button && at.has(button.parentNode.id)) toggle(button.parentNode, !button.parentNode.classList.contains("open"));
});

const search = document.getElementById("=search"), input = search.querySelector("input"), status = search.querySelector("p");
const sections = [...document.querySelectorAll("main section[data-r]")].map(s => [s, [...s.querySelectorAll("li")]]);
const sides = document.querySelectorAll("main section.side");
let texts, hexes;
const find = () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  texts ||= rows.map(li => (li.closest("section").dataset.r + ":" + li.textContent + " " + li.id).toLowerCase());
  const digits = words.map(w => w.match(/^(?:sha256:)?([0-9a-f]{7,64})$/)?.[1]);
  if (digits.some(Boolean)) hexes ||= data.aliases.map(([set,, first]) => first < 0 ? "" : Array.from({length: 1 + data.platforms[set].length}, (_, k) => hex(first + k)).join(" "));
  const fits = i => words.every((w, k) => texts[i].includes(w) || digits[k] && hexes[i].includes(digits[k]));
  let i = 0, shown = 0;
  for (const [section, lines] of sections) {
    let some = false;
    for (const li of lines) {
      const yes = fits(i++);
      li.hidden = !yes;
      some ||= yes;
      shown += yes;
    }
    section.hidden = !some;
  }
  for (const side of sides) side.hidden = words.length > 0;
  status.textContent = words.length ? shown + " of " + rows.length : "";
};
let timer;
input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 80); });
search.hidden = false;
input.value = new URLSearchParams(location.search).get("q") || "";
if (input.value) find();

const go = () => {
  let id = location.hash.slice(1);
  try { id = decodeURIComponent(id); } catch {} // some other text after a %
  const li = document.getElementById(id);
  if (!li) return;
  if (li.closest("[hidden]")) { input.value = ""; find(); }
  if (at.has(id)) toggle(li, true);
  li.scrollIntoView();
};
addEventListener("hashchange", go);
go();
document.documentElement.dataset.ready = "";
})();
