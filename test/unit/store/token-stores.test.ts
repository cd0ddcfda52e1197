import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import { FileTokenStore } from "../../../src/store/file-token-store.ts";
import { RedisTokenStore } from "../../../src/store/redis-token-store.ts";
import { MemoryTokenStore, type TokenStore } from "../../../src/upstream/auth/token-store.ts";
import { startRedis } from "../../support/redis.ts";

let home: string;
let server: Awaited<ReturnType<typeof startRedis>>;
let redis: Redis;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "tokens-"));
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  await rm(home, { recursive: true });
});

const stores: readonly [string, () => TokenStore][] = [
  ["MemoryTokenStore", () => new MemoryTokenStore()],
  ["FileTokenStore", () => new FileTokenStore(home)],
  ["RedisTokenStore", () => new RedisTokenStore(redis)],
];
const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

describe.each(stores)("%s", (name, create) => {
  it("keeps what was written under a lease", async () => {
    const store = create();
    expect(await store.read("a")).toBeUndefined();
    const lease = await store.lease("a", 5_000);
    expect(await store.write("a", "text", lease!.fence)).toBe(true);
    await lease!.release();
    expect(await store.read("a")).toBe("text");
  });

  it("gives the lease to one of many", async () => {
    const store = create();
    const leases = await Promise.all(Array.from({ length: 20 }, () => store.lease("b", 5_000)));
    expect(leases.filter(lease => lease !== undefined)).toHaveLength(1);
    await leases.find(lease => lease !== undefined)!.release();
    expect(await store.lease("b", 10)).toBeDefined();
  });

  it("gives it to one at a time, however often and by however many it is asked for and given back", async () => {
    const store = create();
    let [holders, most, given] = [0, 0, 0];
    const asker = async () => {
      while (given < 400) {
        const lease = await store.lease("d", 5_000);
        if (lease === undefined) {
          await wait(0);
          continue;
        }
        given++;
        most = Math.max(most, ++holders);
        await wait(Math.random() < 0.2 ? 1 : 0);
        holders--;
        await lease.release();
      }
    };
    await Promise.all(Array.from({ length: 12 }, asker));
    expect(most).toBe(1);
  });

  it("takes nothing from whoever has outlived the lease, and does not let that one end the next", async () => {
    const store = create();
    const old = await store.lease(`c ${name}`, 40);
    await wait(80);
    const next = await store.lease(`c ${name}`, 5_000);
    expect(next!.fence).toBeGreaterThan(old!.fence);
    expect(await store.write(`c ${name}`, "late", old!.fence)).toBe(false);
    await old!.release();
    expect(await store.lease(`c ${name}`, 5_000)).toBeUndefined();
    expect(await store.write(`c ${name}`, "in time", next!.fence)).toBe(true);
    expect(await store.read(`c ${name}`)).toBe("in time");
  });
});
