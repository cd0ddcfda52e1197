import { Lexer, Source, TokenKind } from "graphql";
import { beyondLimit, type QueryLimits } from "./limits.ts";

/** Brackets inside one another beyond the levels of selections, for the values of arguments. */
const SPARE_BRACKETS = 100;

/**
 * Reads a query's tokens up to the limit and no further. Also bounds how far brackets nest, because a parser and everything after it call
 * themselves once for each. Throws `LIMIT_TOKENS`, `LIMIT_DEPTH`, or the `GraphQLError` of a character that starts no token.
 */
export function checkTokens(text: string, limits: QueryLimits): void {
  const lexer = new Lexer(new Source(text));
  const maxBrackets = 2 * limits.maxDepth + SPARE_BRACKETS;
  let open = 0;
  for (let count = 1; lexer.advance().kind !== TokenKind.EOF; count++) {
    if (count > limits.maxTokens)
      throw beyondLimit("LIMIT_TOKENS", { fact: `the query has ${count} tokens or more`, value: count, limit: limits.maxTokens });
    open += nesting(lexer.token.kind);
    if (open > maxBrackets)
      throw beyondLimit("LIMIT_DEPTH", {
        fact: `the query's brackets nest ${open} levels or more`,
        value: open,
        limit: maxBrackets,
      });
  }
}

function nesting(kind: TokenKind): number {
  if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) return 1;
  if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) return -1;
  return 0;
}
