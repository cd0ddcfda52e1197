import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { chromium, type Browser, type Page } from "playwright-core";
import { explorerQueries } from "../../src/server/explorer/queries.ts";
import { type Loose, startWorld, type TestWorld } from "../support/world.ts";

const slowMachineMs = 120_000;

/** Notes everything that a page without fault or internet does not do, and every path that it asks for. */
function watch(page: Page, origin: string): { complaints: string[]; paths: string[] } {
  const complaints: string[] = [];
  const paths: string[] = [];
  page.on("console", message => /error|warning/.test(message.type()) && complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", error => complaints.push(`uncaught: ${error.message}`));
  page.on("requestfailed", request => complaints.push(`failed: ${request.url()} ${request.failure()?.errorText ?? ""}`));
  page.on("response", response => response.status() >= 400 && complaints.push(`status ${response.status()}: ${response.url()}`));
  page.on("request", request => {
    const url = new URL(request.url());
    if (url.protocol === "data:") return;
    if (url.origin !== origin) complaints.push(`another host: ${url.href}`);
    paths.push(url.pathname);
  });
  return { complaints, paths };
}

const query = ".graphiql-query-editor .view-lines";
const response = ".graphiql-response .view-lines";

async function shows(page: Page, selector: string, content: string): Promise<void> {
  await page.locator(selector).filter({ hasText: content }).first().waitFor();
}

const openTab = (page: Page, title: string): Promise<void> =>
  page.locator(".graphiql-tab-button").getByText(title, { exact: true }).click();

describe("the explorer in a browser without internet", () => {
  let world: TestWorld;
  let browser: Browser;
  let page: Page;
  let seen: ReturnType<typeof watch>;

  beforeAll(async () => {
    await promisify(execFile)(process.execPath, ["src/server/explorer/build.ts"]);
    world = await startWorld({ customers: 40, hasExplorer: true });
    const origin = world.address;
    browser = await chromium.launch({
      executablePath: process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium",
      args: ["--no-sandbox"],
    });
    page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
    page.setDefaultTimeout(slowMachineMs / 2);
    seen = watch(page, origin);
    await page.goto(origin);
  }, slowMachineMs);

  afterAll(async () => {
    await browser?.close();
    await world?.close();
  }, slowMachineMs);

  const step = (name: string, act: () => Promise<void>): void => it(name, act, slowMachineMs);

  step("offers every query in a tab of its own, the textbook's first", async () => {
    await shows(page, query, "tickets");
    expect(await page.title()).toBe("Tributary");
    expect(await page.locator(".graphiql-tab-button").allInnerTexts()).toEqual(explorerQueries.map(({ title }) => title));
  });

  step("runs the textbook's query at a click and shows the answer", async () => {
    await page.getByRole("button", { name: /^execute query/i }).click();
    const { data } = await world.ask(
      `{ customer(id: "4821") { name invoices(last: 5) { amount } tickets(open: true) { createdAt } } }`,
    );
    const { name, invoices, tickets } = data.customer;
    const values = [name, ...invoices.map(({ amount }: Loose) => amount), tickets[0].createdAt] as string[];
    expect(values.length).toBeGreaterThan(5);
    for (const value of values) await shows(page, response, value);
    expect(await page.locator(".graphiql-tab-active").innerText()).toBe("Customer");
  });

  step("runs the other queries as they stand, without an error in the answer", async () => {
    for (const { title, query: text } of explorerQueries.slice(1)) {
      await openTab(page, title);
      await shows(page, query, text.split("\n")[0]!.slice(2));
      await page.waitForTimeout(1_000); // the page takes up the new tab's operation name with a delay
      await page.getByRole("button", { name: /^execute query/i }).click();
      await shows(page, response, '"data"');
      expect((await world.ask(text)).errors).toEqual([]);
    }
    expect(world.lines.filter(line => line.message === "request" && line.fields["route"] === "/graphql").length).toBeGreaterThan(
      4,
    );
  });

  step("checks a query against the schema in its own worker", async () => {
    await openTab(page, "SourceHealth");
    await shows(page, query, "lastFailureCode");
    await page.locator(query).click();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.insertText("query Wrong { sources { wrongField } }");
    await page.locator(".graphiql-query-editor .squiggly-error").first().waitFor();
    expect(seen.paths).toContain("/explorer/graphql.worker.js");
  });

  step("lays a query out anew", async () => {
    await page.getByRole("button", { name: /^prettify/i }).click();
    await page.locator(".graphiql-query-editor .view-line").nth(4).waitFor();
    expect(await page.locator(".graphiql-query-editor .view-line").nth(2).innerText()).toMatch(/^\s+wrongField$/);
  });

  step("keeps the visitor's tabs for the next visit", async () => {
    await page.waitForFunction("String(localStorage.getItem('tributary:graphiql:tabState')).includes('wrongField')");
    await page.waitForLoadState("networkidle"); // a reload would abort what is still under way, and that would count as failed
    await page.reload();
    await shows(page, ".graphiql-tab-active", "Wrong");
    await shows(page, query, "wrongField");
  });

  it("did all of that without a console error, a failed request or a request to another host", () => {
    expect(seen.complaints).toEqual([]);
    expect(seen.paths).toContain("/explorer/explorer.js");
  });
});
