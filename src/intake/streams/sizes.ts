/** Longest message of a stream that states none. */
export const DEFAULT_MAX_MESSAGE_BYTES = 1024 * 1024;
/** How long a connection may be silent that states nothing. */
export const DEFAULT_STALL_MS = 60_000;
