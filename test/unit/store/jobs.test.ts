import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Secret } from "../../../src/core/secret.ts";
import { type Database, openDatabase } from "../../../src/store/database.ts";
import type { ScheduledJob } from "../../../src/store/jobs.ts";
import { startPostgres } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";

let server: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.remove());

const warnings: object[] = [];
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields: object) => void warnings.push(fields),
  error: () => undefined,
};

const drivers: readonly [string, () => Promise<Database>][] = [
  ["embedded", () => openDatabase(null)],
  ["server", () => openDatabase(new Secret(server.url))],
];

describe.each(drivers)("jobs, %s", (_name, open) => {
  it("run again when they say so, in one process at a time, whatever fails", async () => {
    const database = await open();
    const ran: string[] = [];
    let going = 0;
    const job = (who: string): ScheduledJob => ({
      name: "look/crm",
      cron: "* * * * *",
      run: async () => {
        expect(++going).toBe(1);
        await new Promise(resolve => setTimeout(resolve, 100));
        going--;
        ran.push(who);
        return 1;
      },
    });
    const one = database.jobs(logger);
    await one.start([job("one"), { name: "fails", cron: "* * * * *", run: () => Promise.reject(new Error("no luck")) }]);
    const two = database.isShared ? database.jobs(logger) : undefined;
    await two?.start([job("two")]);
    await one.soon("fails", 0);
    await one.soon("look/crm", 0);
    await until(() => ran.length >= 2);
    await Promise.all([one.stop(), two?.stop()]);
    await database.close();
    expect(warnings.filter(fields => "job" in fields)).toEqual(
      database.isShared ? expect.any(Array) : [{ problem: "no luck", job: "fails" }],
    );
  }, 60_000);
});
