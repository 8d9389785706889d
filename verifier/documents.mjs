// The form a grant names: read strictly, named by the Keccak-256 of its canonical bytes.

import { array, canonical, check, code, entries, hash, hex, integer, keccak, object, party, text } from "./values.mjs";
import { isChannel } from "./vocabulary.mjs";

const LANGUAGE = /^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/;
const MAX_DOCUMENT = 64 * 1024;

function localised(value, what, limit = 2000) {
  const texts = entries(value, what);
  check(texts.length >= 1 && texts.length <= 64 && Object.hasOwn(value, "en"), `${what} is not there in English.`);
  for (const [language, words] of texts) {
    check(LANGUAGE.test(language), `${what} has a name that is no language.`);
    text(words, what, limit, { isolates: true });
  }
}

/** The form with its hash, its issuer, and the terms of each channel it names. */
export function form(value) {
  object(value, ["type", "version", "issuer", "title", "statements", "channels"], "The form");
  check(value.type === "VolensForm" && integer(value.version, "version") > 0, "This is not a form of a known kind.");
  localised(value.title, "The form's title", 500);
  const statements = array(value.statements, "The form's statements");
  check(statements.length >= 1 && statements.length <= 64, "The form has no fair number of statements.");
  for (const statement of statements) {
    object(statement, ["id", "text"], "A statement");
    code(statement.id, "A statement's id");
    localised(statement.text, "A statement");
  }
  check(new Set(statements.map(({ id }) => id)).size === statements.length, "The form uses an id twice.");
  const issuer = party(value.issuer, "The form's issuer");
  const channels = new Map();
  for (const [name, terms] of entries(value.channels, "The form's channels")) {
    check(isChannel(name), "The form names an unknown channel.");
    object(terms, ["issuer", "terms"], "A channel's terms");
    channels.set(name, { issuer: party(terms.issuer, "The terms' issuer"), terms: hash(terms.terms, "The terms") });
  }
  // Addresses are named in one spelling; what is hashed is the document in that spelling.
  const spelled = { ...value, issuer, channels: Object.fromEntries(channels) };
  const bytes = canonical(spelled);
  check(bytes.length <= MAX_DOCUMENT, "The form is too large.");
  return { hash: hex(keccak(bytes)), issuer, channels };
}
