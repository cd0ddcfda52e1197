import type { Clock } from "../../core/ports.ts";
import type { Placement } from "../../source/auth.ts";
import { unlessAborted } from "../unless-aborted.ts";
import type { WireRequest } from "../wire.ts";
import type { Authorized, Authorizer } from "./authorizer.ts";
import { placed } from "./placement.ts";

/** A token that is valid for a while. */
export interface Token {
  readonly value: string;
  readonly expiresAtMs: number;
}

/** Gets a token; `refused` is one that the source does not take any more. */
export type Grant = (refused: string | undefined) => Promise<Token>;

/** A token is renewed this long before it expires, in ms, and never later than at half its life. */
const EXPIRY_MARGIN_MS = 60_000;

interface Held extends Token {
  readonly renewAtMs: number;
}

/** Keeps one token for the process, asked for once however many requests wait for it. */
export class TokenAuthorizer implements Authorizer {
  readonly #grant: Grant;
  readonly #placement: Placement;
  readonly #clock: Clock;
  readonly #scope: () => string;
  #held: (Held & { readonly scope: string }) | undefined;
  #refused: string | undefined;
  #pending: Promise<Token> | undefined;

  constructor(grant: Grant, placement: Placement, clock: Clock, scope: () => string) {
    this.#grant = grant;
    this.#placement = placement;
    this.#clock = clock;
    this.#scope = scope;
  }

  async authorize(request: WireRequest, signal: AbortSignal): Promise<Authorized> {
    const held = this.#held;
    const isGood = held !== undefined && this.#clock.nowMs() < held.renewAtMs && held.scope === this.#scope();
    const { value } = isGood ? held : await unlessAborted(this.#obtain(), signal);
    return { request: placed(request, this.#placement, value), credential: value };
  }

  /** Forgets the token, unless another request has got a new one since. */
  renew(used: string | undefined): boolean {
    if (used === undefined) return false;
    if (this.#held?.value === used) {
      this.#held = undefined;
      this.#refused = used;
    }
    return true;
  }

  scope(): string {
    return this.#scope();
  }

  #obtain(): Promise<Token> {
    this.#pending ??= this.#ask().finally(() => (this.#pending = undefined));
    return this.#pending;
  }

  async #ask(): Promise<Token> {
    const scope = this.#scope();
    const token = await this.#grant(this.#refused);
    this.#refused = undefined;
    this.#held = { ...token, scope, renewAtMs: renewalOf(token, this.#clock.nowMs()) };
    return token;
  }
}

/** When a token is to be replaced: a margin before it ends, but not in the first half of what is left of its life. */
export function renewalOf({ expiresAtMs }: Token, nowMs: number): number {
  const lifeMs = Math.max(0, expiresAtMs - nowMs);
  return nowMs + Math.max(lifeMs / 2, lifeMs - EXPIRY_MARGIN_MS);
}
