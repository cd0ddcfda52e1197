import type { FastifyReply } from "fastify";
import type { World } from "../../src/sandbox/imitation.ts";
import { fixedWindow } from "../../src/sandbox/quota.ts";
import type { QuotaAnswer } from "../../src/sandbox/quota.ts";

const ACCOUNT_PER_MINUTE = 700;
const EXPORTS_PER_MINUTE = 10;
const TICKET_LISTS_PER_MINUTE = 100;
const WINDOW_MS = 60_000;

/** The account's limit, and the narrower ones of the exports and of listing tickets. */
export interface Quotas {
  /** Spends one request and writes the headers. Answers 429 and returns false when none is left. */
  admit(reply: FastifyReply): boolean;
  /** The same for an incremental export. */
  admitExport(reply: FastifyReply): boolean;
  /** The same for a listing of all tickets. */
  admitTicketList(reply: FastifyReply): boolean;
}

const secondsOf = ({ resetMs }: QuotaAnswer) => String(Math.max(1, Math.ceil(resetMs / 1000)));

/** A refusal in plain text, which is what the vendor's edge answers with. */
const refuse = (reply: FastifyReply, answer: QuotaAnswer, what: string) =>
  void reply
    .code(429)
    .header("Retry-After", secondsOf(answer))
    .type("text/plain; charset=utf-8")
    .send(`Number of allowed ${what} per minute exceeded`);

/** Makes the quotas of one mounted account; a reset of the world refills them. */
export function createQuotas(world: World): Quotas {
  const account = fixedWindow({ limit: ACCOUNT_PER_MINUTE, windowMs: WINDOW_MS });
  const exports = fixedWindow({ limit: EXPORTS_PER_MINUTE, windowMs: WINDOW_MS });
  const ticketLists = fixedWindow({ limit: TICKET_LISTS_PER_MINUTE, windowMs: WINDOW_MS });
  world.onReset(() => [account, exports, ticketLists].forEach(quota => quota.reset()));
  const weight = world.quotas ? 1 : 0;
  const admit = (reply: FastifyReply) => {
    const answer = account.take(world.clock(), weight);
    reply.headers({
      "X-Rate-Limit": String(ACCOUNT_PER_MINUTE),
      "X-Rate-Limit-Remaining": String(answer.remaining),
      "ratelimit-limit": String(ACCOUNT_PER_MINUTE),
      "ratelimit-remaining": String(answer.remaining),
      "ratelimit-reset": String(Math.ceil(answer.resetMs / 1000)),
    });
    if (!answer.granted) refuse(reply, answer, "API requests");
    return answer.granted;
  };
  const admitExport = (reply: FastifyReply) => {
    const answer = exports.take(world.clock(), weight);
    if (!answer.granted) refuse(reply, answer, "incremental export API requests");
    return answer.granted;
  };
  const admitTicketList = (reply: FastifyReply) => {
    const answer = ticketLists.take(world.clock(), weight);
    const resets = Math.ceil(answer.resetMs / 1000);
    reply.header(
      "zendesk-ratelimit-tickets-index",
      `total=${TICKET_LISTS_PER_MINUTE}; remaining=${answer.remaining}; resets=${resets}`,
    );
    if (!answer.granted) refuse(reply, answer, "ticket listing API requests");
    return answer.granted;
  };
  return { admit, admitExport, admitTicketList };
}
