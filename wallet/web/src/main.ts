/** The patient's page: puts the parts together and starts. */

import "./page/page.css";
import { App, type Route } from "./page/app.ts";
import { stayOffline } from "./page/offline.ts";
import { Page } from "./page/page.ts";
import { accesses } from "./page/screens/accesses.ts";
import { consents } from "./page/screens/consents.ts";
import { invitation } from "./page/screens/invitation.ts";
import { offer } from "./page/screens/offer.ts";
import { outage } from "./page/screens/outage.ts";
import { people } from "./page/screens/people.ts";
import { receipts } from "./page/screens/receipts.ts";
import { settings } from "./page/screens/settings.ts";
import { unlock, welcome } from "./page/screens/start.ts";
import { IndexedStorage } from "./shell/storage.ts";

const page = new Page();
const app = new App(page, new IndexedStorage());
app.welcome = welcome;
app.unlock = unlock;
app.routes = new Map<string, Route>([
  ["/consents", consents],
  ["/accesses", accesses],
  ["/people", people],
  ["/receipts", receipts],
  ["/settings", settings],
  ["/help", outage],
  ["invitation", invitation],
  ["offer", offer],
]);
page.menu = [
  ["#/consents", "nav.consents"],
  ["#/accesses", "nav.accesses"],
  ["#/people", "nav.people"],
  ["#/receipts", "nav.receipts"],
  ["#/help", "nav.help"],
  ["#/settings", "nav.settings"],
];
await page.start(document.body);
await app.route();
void stayOffline(page);
