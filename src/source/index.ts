/** What the author of a source imports. */
export {
  all,
  apiKey,
  awsSigV4,
  basic,
  bearer,
  clientCredentials,
  hmac,
  jwtBearer,
  noAuth,
  refreshToken,
  session,
} from "./auth.ts";
export { batchLookup, collection, eachLookup, relatedBatch, relatedEach } from "./collection.ts";
export { defineSource } from "./define-source.ts";
export { concurrency, costBucket, dailyQuota, tokenBucket, window, xRateLimit } from "./limits.ts";
export {
  cursorPages,
  exportPages,
  headerCursorPages,
  keysetPages,
  linkPages,
  nextUrlPages,
  numberedPages,
  offsetPages,
  onePage,
  relayPages,
} from "./pagination.ts";
export { get, graphqlQuery, readByPost } from "./request.ts";
export * from "./rule.ts";
export { bodySignature, pairsSignature, type Signature, standardSignature } from "./webhooks.ts";
export { wireInteger, wireNumber } from "./wire.ts";
