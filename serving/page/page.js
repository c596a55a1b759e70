// The page of the server: a text goes to /parse, its entities come back and are marked.
//
// Whatever a text or the server says becomes a text node or an attribute, never markup. Places
// are UTF-16 units here (offsets=utf16), those of JavaScript's strings; where a reader sees or
// copies them they are code points, the unit that the server answers with by default.

const WAIT = 250; // ms without a key before a request is sent
const READINGS = 5; // n of the n best readings
const COLOURS = 7; // classes c0 to c6 of page.css
const STYLES = 4; // and s1 to s3: a solid line has no class
const KEPT_TOKEN = "etagger-token";

const at = (id) => document.getElementById(id);
const text = at("text");

const state = {
  types: [], // of the model, sorted: a type's place in it is its colour
  models: [],
  hidden: new Set(), // types that are switched off
  answer: null, // the last answer, {text, spans, nbest, tokens}
  timer: 0,
  request: null, // the AbortController of the request under way
  mark: 0, // which of the marks has the focus when it comes to the text
};

// ---------------------------------------------------------------- the server

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The JSON at a path of this server. Throws Refused with one line, or AbortError. */
async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEPT_TOKEN);
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer. Is it still running?");
  }
  const body = await response.text();
  if (response.ok) {
    try {
      return JSON.parse(body);
    } catch {
      throw new Refused(response.status, "The server's answer is not JSON.");
    }
  }
  throw new Refused(response.status, reason(response, body));
}

/** Why a request was refused, as one line. */
function reason(response, body) {
  let said = body;
  try {
    const answer = JSON.parse(body);
    const detail = answer.detail ?? answer.error ?? answer.message ?? answer;
    const parts = Array.isArray(detail) ? detail : [detail];
    said = parts.map((each) => each?.msg ?? each?.message ?? each).map(plain).join("; ");
  } catch {
    // not JSON: the body is the reason
  }
  said = said.replace(/\s+/g, " ").trim().slice(0, 300) || response.statusText;
  const later = response.headers.get("Retry-After");
  return `${response.status}: ${said}${later ? ` (try again in ${later} s)` : ""}`;
}

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value) ?? "");

/** Path and query of a request for the text as it is asked for now. */
function query(parameters) {
  const asked = new URLSearchParams(parameters);
  if (at("split").checked) asked.set("split", "true");
  if (state.models.length > 1) asked.set("model", at("model").value);
  const list = asked.toString();
  return list ? `parse?${list}` : "parse";
}

/** What the text area holds, in a form that UTF-8 can hold: half of a pair becomes U+FFFD. */
function given() {
  return text.value.toWellFormed ? text.value.toWellFormed() : text.value;
}

// ---------------------------------------------------------------- asking

/** Asks once no key has come for a while; the request before is given up. */
function askSoon() {
  clearTimeout(state.timer);
  state.timer = setTimeout(parse, WAIT);
}

async function parse() {
  clearTimeout(state.timer);
  state.request?.abort();
  const request = (state.request = new AbortController());
  const asked = given();
  if (!asked.trim()) {
    state.request = null;
    return show({ text: "", spans: [] });
  }
  at("marked").setAttribute("aria-busy", "true");
  const parameters = { offsets: "utf16", tokens: "true" };
  if (at("readings").open) parameters.nbest = READINGS;
  try {
    const answer = await ask(query(parameters), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: asked }),
      signal: request.signal,
    });
    if (request === state.request) show({ ...answer, text: asked });
  } catch (error) {
    if (request === state.request) fail(error);
  } finally {
    if (request === state.request) {
      state.request = null;
      at("marked").removeAttribute("aria-busy");
    }
  }
}

/** Shows why there is no answer, in one line; the last answer stays. */
function fail(error) {
  if (error.name === "AbortError") return;
  at("status").textContent = "";
  at("error").textContent = error.message;
  if (error.status === 401) {
    at("unlock").hidden = false;
    at("token").focus();
  } else if (!(error instanceof Refused)) {
    console.error(error);
  }
}

/** Reads which models there are. Returns whether the server says so. */
async function readModels() {
  try {
    const answer = await ask("model");
    const models = answer.models ?? [answer];
    state.models = Array.isArray(models) ? models : Object.values(models);
  } catch (error) {
    fail(error);
    return false;
  }
  const kept = at("model").value || linked().get("model");
  at("model").replaceChildren(...state.models.map((each) => new Option(each.name, each.name)));
  if (state.models.some((each) => each.name === kept)) at("model").value = kept;
  at("models").hidden = state.models.length < 2;
  chooseModel();
  return true;
}

function chooseModel() {
  const model = state.models.find((each) => each.name === at("model").value) ?? state.models[0];
  state.types = model?.types ?? [];
  const about = [];
  if (state.models.length === 1 && model.name) about.push(model.name);
  if (model?.types) about.push(count(model.types.length, "type"));
  if (model?.tokenizer) about.push(`reads ${model.tokenizer}`);
  at("about").textContent = about.join(", ");
  state.hidden.clear();
}

// ---------------------------------------------------------------- what is shown

const count = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
const score = (value) => (typeof value === "number" ? value.toFixed(3) : "");

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[content].flat());
  return made;
}

/** The classes of a type: its colour, and its line once the colours are used up. */
function classes(type) {
  if (!state.types.includes(type)) state.types.push(type); // of a model that is not known
  const place = state.types.indexOf(type);
  const style = Math.floor(place / COLOURS) % STYLES;
  return `c${place % COLOURS}${style ? ` s${style}` : ""}`;
}

/** Those spans that lie in the text one after the other, as those of a tagger do. */
function disjoint(spans, length) {
  let end = 0;
  const ordered = [...(spans ?? [])].sort((one, other) => one.start - other.start);
  return ordered.filter((span) => {
    const fits = span.start >= end && span.end > span.start && span.end <= length;
    if (fits) end = span.end;
    return fits;
  });
}

function show(answer) {
  const spans = disjoint(answer.spans, answer.text.length);
  state.answer = { ...answer, spans };
  at("error").textContent = "";
  const found = new Set(spans.map((span) => span.type));
  at("status").textContent = !answer.text
    ? ""
    : spans.length
      ? `${count(spans.length, "entity").replace("entitys", "entities")} of ${count(found.size, "type")}`
      : "No entities found";
  state.mark = 0;
  showTypes();
  showMarks();
  showReadings();
  for (const button of at("copies").children) button.disabled = !answer.text;
  button("CoNLL").disabled = !answer.tokens;
}

const button = (what) => at("copies").querySelector(`[data-copy=${what}]`);
const shown = () => state.answer.spans.filter((span) => !state.hidden.has(span.type));

/** A button for each type of the answer, with how many there are; one that is pressed is shown. */
function showTypes() {
  const found = new Map();
  for (const span of state.answer.spans) found.set(span.type, (found.get(span.type) ?? 0) + 1);
  const buttons = [...found.keys()].sort().map((type) =>
    element("button", `${type} ${found.get(type)}`, {
      type: "button",
      class: classes(type),
      "data-type": type,
      "aria-pressed": String(!state.hidden.has(type)),
    }),
  );
  at("types").replaceChildren(...buttons);
}

function switchType(pressed) {
  const type = pressed.dataset.type;
  const isOn = state.hidden.has(type);
  if (isOn) state.hidden.delete(type);
  else state.hidden.add(type);
  pressed.setAttribute("aria-pressed", String(isOn));
  state.mark = 0;
  showMarks();
}

/** The text with a mark around each entity, and the table of them. */
function showMarks() {
  hideTip();
  const whole = state.answer.text;
  const parts = [];
  let end = 0;
  shown().forEach((span, i) => {
    parts.push(whole.slice(end, span.start));
    const attributes = { class: classes(span.type), "data-type": span.type, "data-index": i };
    attributes.tabindex = i === state.mark ? 0 : -1;
    parts.push(element("mark", whole.slice(span.start, span.end), attributes));
    end = span.end;
  });
  parts.push(whole.slice(end));
  at("marked").replaceChildren(...parts);
  at("rows").replaceChildren(...inCodePoints(whole, shown()).map((span) => row(whole, span)));
}

function row(whole, span) {
  const cells = [span.type, whole.slice(span.utf16[0], span.utf16[1]), span.start, span.end];
  return element("tr", [...cells, score(span.score)].map((cell) => element("td", String(cell))));
}

/** Spans in UTF-16 units -> the same in code points, in order, with the units in `utf16`. */
function inCodePoints(whole, spans) {
  let unit = 0;
  let points = 0;
  const pointsBefore = (place) => {
    while (unit < place) {
      unit += whole.codePointAt(unit) > 0xffff ? 2 : 1;
      points += 1;
    }
    return points;
  };
  return spans.map((span) => {
    const start = pointsBefore(span.start);
    return { ...span, start, end: pointsBefore(span.end), utf16: [span.start, span.end] };
  });
}

function showReadings() {
  const { nbest, text: whole } = state.answer;
  at("no-nbest").hidden = Boolean(nbest?.length);
  at("no-nbest").textContent = whole
    ? "Only a text of one sentence has readings."
    : "No readings yet.";
  at("nbest").replaceChildren(
    ...(nbest ?? []).map((reading) => {
      const spans = disjoint(reading.spans, whole.length);
      const marks = spans.map((span) =>
        element("mark", whole.slice(span.start, span.end), {
          class: classes(span.type),
          "data-type": span.type,
        }),
      );
      const probability = { class: "probability" };
      return element("li", [
        element("span", `${(100 * reading.probability).toFixed(1)}%`, probability),
        ...(marks.length ? marks : ["no entities"]),
      ]);
    }),
  );
}

// ---------------------------------------------------------------- a mark's score

/** Shows the score of a mark below it, as long as the pointer or the focus is there. */
function showTip(mark) {
  const span = shown()[mark.dataset.index];
  const value = score(span.score);
  const tip = at("tip");
  tip.textContent = value ? `${span.type}, score ${value}` : `${span.type}, without a score`;
  tip.hidden = false;
  hideTip.mark?.removeAttribute("aria-describedby");
  hideTip.mark = mark;
  mark.setAttribute("aria-describedby", "tip");
  const box = [...mark.getClientRects()].at(-1);
  const right = document.documentElement.clientWidth - tip.offsetWidth - 4;
  tip.style.left = `${Math.max(4, Math.min(box.left, right)) + window.scrollX}px`;
  tip.style.top = `${box.bottom + window.scrollY}px`;
}

function hideTip() {
  at("tip").hidden = true;
  hideTip.mark?.removeAttribute("aria-describedby");
  hideTip.mark = null;
}

const markOf = (event) => (event.target instanceof Element ? event.target.closest("mark") : null);

/** Arrow keys, Home and End go from mark to mark: all of them are one stop of the Tab key. */
function moveFocus(event) {
  const marks = [...at("marked").querySelectorAll("mark")];
  const steps = { ArrowRight: state.mark + 1, ArrowLeft: state.mark - 1, Home: 0, End: Infinity };
  const asked = steps[event.key];
  if (asked === undefined || !marks.length || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  marks[Math.max(0, Math.min(asked, marks.length - 1))].focus();
}

function focusMark(mark) {
  const before = at("marked").querySelector("mark[tabindex='0']");
  before?.setAttribute("tabindex", "-1");
  mark.setAttribute("tabindex", "0");
  state.mark = Number(mark.dataset.index);
  showTip(mark);
}

// ---------------------------------------------------------------- copies

/** What /parse answers by default: places in code points, the types that are shown. */
function asJson() {
  const spans = inCodePoints(state.answer.text, shown()).map(({ utf16, ...span }) => span);
  const ents = [...new Set(spans.map((span) => span.type))].sort();
  return JSON.stringify({ text: state.answer.text, ents, spans }, null, 2);
}

/** A row for each token with its tag, and a blank line after each sentence. */
function asConll() {
  const whole = state.answer.text;
  const rows = (sentence) =>
    sentence.map(({ start, end, tag }) => `${whole.slice(start, end)} ${tag}\n`).join("");
  return state.answer.tokens.map((sentence) => `${rows(sentence)}\n`).join("");
}

/** A command for a shell. A token is named, not shown. */
function asCurl() {
  const quoted = (value) => `'${value.replaceAll("'", "'\\''")}'`;
  const parts = [
    `curl -s ${quoted(new URL(query({}), document.baseURI).href)}`,
    `-H ${quoted("Content-Type: application/json")}`,
    `--data-binary ${quoted(JSON.stringify({ text: state.answer.text }))}`,
  ];
  const needsToken = sessionStorage.getItem(KEPT_TOKEN);
  if (needsToken) parts.splice(1, 0, '-H "Authorization: Bearer $ETAGGER_TOKEN"');
  return parts.join(" \\\n  ");
}

/** The page's address with the text in its fragment, which no browser sends to a server. */
function asLink() {
  const parts = new URLSearchParams({ text: state.answer.text });
  if (at("split").checked) parts.set("split", "true");
  if (state.models.length > 1) parts.set("model", at("model").value);
  const address = new URL(document.baseURI);
  address.hash = parts.toString();
  return address.href;
}

const COPIES = { JSON: asJson, CoNLL: asConll, curl: asCurl, link: asLink };

async function copy(what) {
  const copied = COPIES[what]();
  try {
    await navigator.clipboard.writeText(copied);
  } catch {
    if (!copyBySelection(copied)) {
      at("error").textContent = "The browser does not let this page copy.";
      return;
    }
  }
  at("status").textContent = `Copied: ${what}`;
}

/** For pages over plain HTTP, where navigator.clipboard is missing. Returns whether it worked. */
function copyBySelection(copied) {
  const area = element("textarea", copied, { "aria-hidden": "true" });
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const worked = document.execCommand("copy");
  area.remove();
  before?.focus();
  return worked;
}

// ---------------------------------------------------------------- the link

const linked = () => new URLSearchParams(location.hash.slice(1));

/** Takes the text out of the page's address. Returns whether there is one. */
function readLink() {
  const parts = linked();
  if (!parts.has("text")) return false;
  text.value = parts.get("text");
  at("split").checked = parts.get("split") === "true";
  return true;
}

// ---------------------------------------------------------------- events

text.addEventListener("input", askSoon);
at("split").addEventListener("change", parse);
at("model").addEventListener("change", () => {
  chooseModel();
  parse();
});
at("readings").addEventListener("toggle", () => {
  if (at("readings").open && !state.answer?.nbest) parse();
});
at("types").addEventListener("click", (event) => {
  const pressed = event.target.closest("button");
  if (pressed) switchType(pressed);
});
at("copies").addEventListener("click", (event) => {
  const what = event.target.closest("button")?.dataset.copy;
  if (what) copy(what);
});
at("unlock").addEventListener("submit", async (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEPT_TOKEN, at("token").value);
  at("token").value = "";
  at("unlock").hidden = true;
  at("error").textContent = "";
  text.focus();
  await start();
});

const marked = at("marked");
marked.addEventListener("keydown", moveFocus);
marked.addEventListener("focusin", (event) => markOf(event) && focusMark(markOf(event)));
marked.addEventListener("focusout", hideTip);
marked.addEventListener("pointerover", (event) => markOf(event) && showTip(markOf(event)));
marked.addEventListener("pointerout", (event) => {
  const goesOn = event.relatedTarget === at("tip") || event.relatedTarget === markOf(event);
  if (!goesOn && document.activeElement !== hideTip.mark) hideTip();
});
at("tip").addEventListener("pointerleave", () => {
  if (document.activeElement !== hideTip.mark) hideTip();
});
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
window.addEventListener("hashchange", () => readLink() && parse());

/** Learns the models, then asks for the text that is there. */
async function start() {
  if (await readModels()) await parse();
}

readLink();
show({ text: "", spans: [] });
start();
