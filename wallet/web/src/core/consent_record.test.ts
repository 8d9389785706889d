import { expect, test } from "vitest";

import vectors from "../../../../tests/vectors/wallet.json";
import { canonical } from "./canonical.ts";
import { consentRecord } from "./consent_record.ts";
import { domainOf, readDeployment } from "./deployment.ts";
import { ZERO_ADDRESS, read } from "./model.ts";
import { readReceipt } from "./receipts.ts";
import { readSigned } from "./signed_message.ts";
import { UnknownCode } from "./vocabulary.ts";

const grant = read("Grant", vectors.offer.grants[0]);
const [first] = vectors.records;
const facts = {
  subject: vectors.subject, domain: domainOf(readDeployment(vectors.deployment)), controller: vectors.offer.record.controller,
  names: new Map(Object.entries(vectors.names)), handed: [], service: vectors.url, language: "en", at: first?.at ?? 0,
};

test.each(vectors.records)("the record of a consent that was: $about", ({ handed, at, record }) => {
  const read = handed.map(({ sent, receipt }) => ({ sent: readSigned(sent), receipt: readReceipt(receipt) }));
  expect(canonical(consentRecord(grant, { ...facts, handed: read, at }))).toBe(canonical(record));
  expect(canonical(consentRecord(grant, { ...facts, handed: read.toReversed(), at }))).toBe(canonical(record));
});

test("another's messages say nothing of her consent, and nobody in particular is named where nobody is", () => {
  const handed = (first?.handed ?? []).map(({ sent, receipt }) => ({ sent: readSigned(sent), receipt: readReceipt(receipt) }));
  const record = consentRecord({ ...grant, recipient: ZERO_ADDRESS }, { ...facts, subject: facts.controller, handed });
  expect(record).toMatchObject({
    "dpv:hasConsentStatus": [{ "@type": ["dpv:ConsentUnknown"] }], "dpv:hasProcess": { "dpv:hasRecipient": "dpv:Recipient" },
  });
});

test("there is no record in a language without words", () => {
  expect(() => consentRecord(grant, { ...facts, language: "tlh" })).toThrow(UnknownCode);
});
