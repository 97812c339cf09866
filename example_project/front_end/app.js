// Asks both API groups and says in plain words what the browser let this page read.

const api = document.documentElement.dataset.api;
const WATCH_MILLISECONDS = 1000;

// A script is told nothing but "failed" when CORS refuses (https://fetch.spec.whatwg.org/#concept-network-error), the same
// as for a server that is not there. An opaque request to an unguarded page of the API tells the two apart.
async function isApiUp() {
  try {
    await fetch(`${api}/`, { mode: "no-cors", credentials: "omit", cache: "no-store" });
    return true;
  } catch {
    return false;
  }
}

async function ask({ path, what, credentials }) {
  const options = { cache: "no-store", credentials: credentials === undefined ? "omit" : "include" };
  if (credentials !== undefined) {
    options.headers = { "X-Demo-Client": document.documentElement.dataset.title };
  }
  let response;
  try {
    response = await fetch(api + path, options);
  } catch {
    return (await isApiUp()) ? describeRefusal(what) : describeSilence();
  }
  return describeAnswer(response, what, await response.text());
}

function describeAnswer(response, what, text) {
  if (response.ok) {
    return {
      outcome: "yes",
      verdict: `The browser let this page read ${what}.`,
      why: `The API named ${location.origin} in Access-Control-Allow-Origin.`,
      body: text,
    };
  }
  return {
    outcome: response.status === 401 ? "wait" : "no",
    verdict: `The browser let this page read the answer, and it says ${response.status}.`,
    why:
      response.status === 401
        ? "This origin is trusted, but nobody is logged in: CORS is no authentication. Log in to the API (link below), then ask again."
        : "That came from the API itself, not from CORS.",
    body: text,
  };
}

function describeRefusal(what) {
  return {
    outcome: "no",
    verdict: `The browser kept ${what} from this page.`,
    why:
      `The API is up, but it did not say that ${location.origin} may read this: no operator trusts this origin here, or ` +
      "its trust was revoked or has expired. Scripts are told no more than that. The browser's console and the " +
      "operator's “Rejected origins” say why.",
    body: "",
  };
}

function describeSilence() {
  return {
    outcome: "no",
    verdict: "The API does not answer.",
    why: `Nothing answers at ${api}. That is no matter of trust: is the demo still running?`,
    body: "",
  };
}

function show(card, { outcome, verdict, why, body }) {
  const verdictBox = card.querySelector(".verdict");
  verdictBox.dataset.outcome = outcome;
  verdictBox.textContent = verdict;
  card.querySelector(".why").textContent = why;
  const answer = card.querySelector("pre");
  answer.hidden = body === "";
  answer.textContent = prettify(body);
}

function prettify(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

async function askAll() {
  const cards = [...document.querySelectorAll(".card")];
  await Promise.all(cards.map(async (card) => show(card, await ask(card.dataset))));
}

async function watch() {
  while (document.querySelector("#watch").checked) {
    await askAll();
    await new Promise((resolve) => setTimeout(resolve, WATCH_MILLISECONDS));
  }
}

document.querySelector("#ask").addEventListener("click", askAll);
document.querySelector("#watch").addEventListener("change", watch);
askAll();
