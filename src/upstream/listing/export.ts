import { asError, ContractError, UpstreamError } from "../../core/errors.ts";
import { isJsonObject, type Json, parseJson, valueAt } from "../../core/json.ts";
import { type Clock, systemClock } from "../../core/ports.ts";
import type { ExportPages } from "../../source/pagination.ts";
import { get, type UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import type { Page, Walk } from "./walk.ts";
import { underBase } from "../target.ts";
import type { UpstreamResponse } from "../upstream.ts";
import type { StreamedResponse } from "../transport.ts";
import type { ListingUpstream } from "./listing-upstream.ts";
import { countIn, listingError, promised } from "./strategy.ts";

type ExportWalk = Walk & { readonly pages: ExportPages };

/** Text that is handed on together at most, whatever the number of its lines. */
const MAX_CHUNK_CHARACTERS = 4 * 1024 ** 2;
const defaultPollMs = { first: 1_000, longest: 30_000 };
const DEFAULT_DEADLINE_MS = 3_600_000;
/** How long giving up an export may take. */
const CANCEL_MS = 5_000;

/**
 * An asynchronous export: created, waited for, read line by line. Each page holds some lines as one JSON array. A last line that is cut ends it with
 * `UPSTREAM_LISTING`, after the whole ones; an export that is not read to its end is given up at the provider.
 */
export async function* readExport(upstream: ListingUpstream, walk: ExportWalk, context: CallContext): AsyncGenerator<Page> {
  const clock = walk.clock ?? systemClock;
  const created = await upstream.send(walk.request, context);
  if (created.problems[0]) throw created.problems[0];
  const id = promised(valueAt(created.body, walk.pages.id), walk.pages.id);
  const finished = await waitOrCancel(upstream, { ...walk, clock }, id, context);
  const href = valueAt(finished.body, walk.pages.url);
  const total = countIn(finished.body, walk.pages.count);
  if (href === null) return yield endOf(walk.request, [], clock, total);
  if (typeof href !== "string")
    throw new ContractError("UPSTREAM_CONTRACT", `${walk.pages.url}: the finished export has no address`);
  const deadlineAtMs = clock.nowMs() + (walk.pages.deadlineMs ?? DEFAULT_DEADLINE_MS);
  const file = await fileAt(upstream, href, walk, { ...context, deadlineAtMs });
  yield* pagesOf(file, walk, clock, total);
}

async function waitOrCancel(
  upstream: ListingUpstream,
  walk: ExportWalk & { readonly clock: Clock },
  id: string,
  context: CallContext,
): Promise<UpstreamResponse> {
  try {
    return await waitFor(upstream, walk, id, context);
  } catch (thrown) {
    if (thrown instanceof ExportFailed || walk.pages.cancel === undefined) throw thrown;
    throw await givenUp(upstream, walk.pages.cancel(id), asError(thrown), { ...context, clock: walk.clock });
  }
}

/** The provider itself says that the export has failed: there is nothing to give up. */
class ExportFailed extends UpstreamError {}

async function waitFor(
  upstream: ListingUpstream,
  { pages, clock }: ExportWalk & { readonly clock: Clock },
  id: string,
  context: CallContext,
): Promise<UpstreamResponse> {
  const { first, longest } = pages.pollMs ?? defaultPollMs;
  const endsAtMs = clock.nowMs() + (pages.deadlineMs ?? DEFAULT_DEADLINE_MS);
  for (let waitMs = first; ; waitMs = Math.min(2 * waitMs, longest)) {
    const response = await upstream.send(pages.poll(id), { ...context, deadlineAtMs: endsAtMs });
    if (response.problems[0]) throw response.problems[0];
    const status = promised(valueAt(response.body, pages.status), pages.status);
    if (pages.done.includes(status)) return response;
    if (pages.failed.includes(status))
      throw new ExportFailed("UPSTREAM_LISTING", `the export ended as ${status}`, { details: { guard: "export failed" } });
    if (clock.nowMs() + waitMs >= endsAtMs)
      throw listingError("export deadline", `the export was still ${status} at its deadline`);
    await clock.sleep(waitMs, context.signal);
    context.signal.throwIfAborted();
  }
}

/** Cancels an export and returns why; when that fails too, the error says so. */
async function givenUp(
  upstream: ListingUpstream,
  cancel: UpstreamRequest,
  why: Error,
  { clock, ...context }: CallContext & { readonly clock: Clock },
): Promise<Error> {
  try {
    await upstream.send(cancel, { ...context, signal: AbortSignal.timeout(CANCEL_MS), deadlineAtMs: clock.nowMs() + CANCEL_MS });
    return why;
  } catch (thrown) {
    const details = { guard: "export", cancelling: asError(thrown).message };
    return new UpstreamError(
      why instanceof UpstreamError ? why.code : "UPSTREAM_LISTING",
      `${why.message}; the export could not be cancelled`,
      {
        details,
        cause: why,
      },
    );
  }
}

/** Whether the file's end is told apart from a connection that was closed too early. */
const isBounded = ({ "content-length": length, "transfer-encoding": coding }: StreamedResponse["headers"]): boolean =>
  length !== undefined || coding !== undefined;

async function fileAt(
  upstream: ListingUpstream,
  href: string,
  { request }: ExportWalk,
  context: CallContext,
): Promise<StreamedResponse> {
  if (upstream.download === undefined) throw listingError("download", "this upstream cannot read files");
  const path = underBase(upstream.baseUrl ?? upstream.source.client.baseUrl, href);
  const from = path === undefined ? { href } : get(`${request.operation}.file`, path);
  const answer = await upstream.download(from, context);
  if (answer.status === 200) return answer;
  await answer.text();
  throw new UpstreamError("UPSTREAM_UNAVAILABLE", "the export's file is not there", { details: { httpStatus: answer.status } });
}

async function* pagesOf(file: StreamedResponse, walk: ExportWalk, clock: Clock, total: number | null): AsyncGenerator<Page> {
  let held: string[] = [];
  let characters = 0;
  let number = 0;
  for await (const line of file.lines()) {
    number++;
    const record = parsed(line);
    if (record === undefined) {
      if (held.length > 0) yield { ...endOf(walk.request, held, clock, total), next: `line ${number}` };
      throw listingError("truncated line", `line ${number} of the export is not whole`);
    }
    if (isChild(record, walk.pages.childMark)) continue;
    held.push(line);
    characters += line.length;
    if (held.length < walk.pages.maxPageSize && characters < MAX_CHUNK_CHARACTERS) continue;
    yield { ...endOf(walk.request, held, clock, total), next: `line ${number + 1}` };
    [held, characters] = [[], 0];
  }
  yield { ...endOf(walk.request, held, clock, total), isEndCertain: isBounded(file.headers) };
}

const isChild = (record: Json, mark: string | undefined): boolean =>
  mark !== undefined && isJsonObject(record) && Object.hasOwn(record, mark);

/** A line's value; undefined for one that is not whole. */
function parsed(line: string): Json | undefined {
  try {
    return parseJson(line);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

/** Lines as a page, the last one unless `next` is set. */
function endOf(request: UpstreamRequest, lines: readonly string[], clock: Clock, advertisedTotal: number | null): Page {
  const text = `[${lines.join(",")}]`;
  const records = parseJson(text) as readonly Json[];
  const response: UpstreamResponse = {
    status: 200,
    headers: {},
    text,
    body: records,
    problems: [],
    receivedAtMs: clock.nowMs(),
    attempts: 1,
  };
  return { request, response, records, next: null, isEndCertain: true, advertisedTotal };
}
