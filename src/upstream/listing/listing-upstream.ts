import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import type { StreamedResponse } from "../transport.ts";
import type { Upstream } from "../upstream.ts";

/** What reading a listing asks of an upstream. */
export interface ListingUpstream extends Pick<Upstream, "source" | "send"> {
  /** The address under which the source is spoken to; the declared one unless stated. */
  readonly baseUrl?: string;
  /**
   * A file that is read as it arrives: at an address that the source gave on one of its `otherHosts`, without credentials, or by a request under the
   * base URL, with them. Throws as `send` does.
   */
  download?(from: UpstreamRequest | { readonly href: string }, context: CallContext): Promise<StreamedResponse>;
}
