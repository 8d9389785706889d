/**
 * The page that checks the public record by itself: it asks a node of her choice and believes only what is proved.
 *
 * It holds no key and reads nothing that the wallet stores: its policy lets it talk to any machine.
 */

import "./page/page.css";
import { readDeployment, type Deployment } from "./core/deployment.ts";
import { InvalidProof, Unavailable } from "./core/errors.ts";
import { members, parse } from "./core/json.ts";
import { address, hash32 } from "./core/model.ts";
import type { Standing } from "./core/slots.ts";
import { field, h } from "./page/dom.ts";
import { Page, type Screen } from "./page/page.ts";
import { standingByNodes } from "./shell/node.ts";

interface Wanted {
  readonly deployment: Deployment;
  readonly subject: string;
  readonly grant: string;
}

/** What to look for, from the part of the address that is never sent; null when the page was not opened from a consent. */
function wanted(): Wanted | null {
  try {
    const found = members(parse(decodeURIComponent(location.hash.slice(1)), "address"), "address");
    return {
      deployment: readDeployment(found.get("deployment")),
      subject: address(found.get("subject"), "subject"),
      grant: hash32(found.get("grant"), "grant"),
    };
  } catch {
    return null;
  }
}

function screen(page: Page): Screen {
  const what = wanted();
  const title = page.t("proof.title");
  if (what === null) return { title, body: [h("p", { class: "lead" }, page.t("proof.missing"))] };
  const nodes = field(page.t("proof.node"), h("input", { type: "text", inputmode: "url", autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "ltr" }), page.t("proof.hint"));
  const answer = h("div", { "aria-live": "polite" });
  return {
    title,
    body: [
      h("p", { class: "lead" }, page.t("proof.lead")),
      page.form("proof.go", async () => {
        nodes.problem(undefined);
        answer.replaceChildren(h("p", {}, page.t("app.working")));
        try {
          const urls = nodes.input.value.split(/[\s,]+/u).filter((one) => one !== "");
          answer.replaceChildren(...told(page, await standingByNodes(urls, what.deployment, what.subject, what.grant)));
        } catch (error) {
          answer.replaceChildren();
          if (error instanceof InvalidProof) return nodes.problem(page.t("proof.failed"));
          if (error instanceof Unavailable) return nodes.problem(page.t("proof.unavailable"));
          throw error;
        }
      }, nodes.row),
      answer,
      page.details(h("p", { class: "technical", dir: "ltr" }, `subject ${what.subject}`), h("p", { class: "technical", dir: "ltr" }, `grant ${what.grant}`)),
    ],
  };
}

function told(page: Page, { reason, grantedAt, revokedAt, revokedBefore, block, timestamp }: Standing): HTMLElement[] {
  const said =
    reason === "granted" ? page.t("proof.standing.granted", { date: page.time(grantedAt) })
    : reason === "revoked" ? page.t("proof.standing.revoked", { date: page.time(revokedAt || revokedBefore) })
    : page.t(reason === "no_consent" ? "proof.standing.unknown" : `proof.standing.${reason}`);
  return [
    h("div", { class: "sentence" }, h("p", {}, said)),
    h("p", { class: "hint" }, page.t("proof.block", { number: block, date: page.time(timestamp) })),
  ];
}

const page = new Page();
await page.start(document.body);
await page.show(() => screen(page));
addEventListener("hashchange", () => void page.redraw(true));
