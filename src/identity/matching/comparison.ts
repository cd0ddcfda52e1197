import { named, quoted } from "../../mapping/sql-text.ts";
import { roleMailboxes } from "../match-email.ts";
import type { Field, FieldKind } from "./model.ts";

/** One way in which two values can agree, best first; the last level of every kind is "anything else". */
interface Level {
  readonly name: string;
  /** SQL over the two values, and how alike, or how far apart, they are by the measure of their kind. */
  readonly when: (left: string, right: string, likeness: string) => string;
}

/** How values of a kind agree. */
interface Comparison {
  /** SQL for how alike, or how far apart, two values are that are not equal; dear, and therefore reckoned once. */
  readonly likeness?: (left: string, right: string) => string;
  readonly levels: readonly Level[];
}

const equal: Level = { name: "equal", when: (l, r) => `${l} = ${r}` };
const similar = (least: number): Level => ({
  name: `Jaro–Winkler ≥ ${least}`,
  when: (_l, _r, likeness) => `${likeness} >= ${least}`,
});
const edits = (most: number): Level => ({
  name: most === 1 ? "one edit" : `${most} edits`,
  when: (_l, _r, distance) => `${distance} <= ${most}`,
});
/** Below it, few edits are not enough. */
const LEAST_JARO = 0.65;
/** How many edits apart two texts are. That is dear to count, so it is done where few are possible; CASE, because AND reckons both of its sides. */
const distance =
  (most: number) =>
  (l: string, r: string): string => `
    CASE WHEN abs(length(${l}) - length(${r})) <= ${most}
      THEN CASE WHEN jaro_similarity(${l}, ${r}, ${LEAST_JARO}) > 0 THEN levenshtein(${l}, ${r}) END END`;
const differs = (share: number): Level => ({
  name: `differs by ${share * 100} % at most`,
  when: (l, r) => `abs(${l}::DOUBLE - ${r}::DOUBLE) <= ${share} * greatest(abs(${l}::DOUBLE), abs(${r}::DOUBLE))`,
});
const share = (least: number): Level => ({
  name: `shares ${least * 100} % of its words`,
  when: (_l, _r, likeness) => `${likeness} >= ${least}`,
});

const words = (text: string): string => `string_split(${text}, ' ')`;
/** The share of their words, from 0 to 1, that two texts have in common. */
const sharedWords = (l: string, r: string): string =>
  `2e0 * len(list_intersect(${words(l)}, ${words(r)})) / (len(${words(l)}) + len(${words(r)}))`;
/** Above every share of words. */
const NEARLY_EQUAL = 2;
const nearlyEqual = (least: number): Level => ({
  name: `Jaro–Winkler ≥ ${least}`,
  when: (_l, _r, likeness) => `${likeness} = ${NEARLY_EQUAL}`,
});

const comparisons: Readonly<Record<FieldKind, Comparison>> = {
  name: {
    likeness: (l, r) => `jaro_winkler_similarity(${l}, ${r}, 0.8)`,
    levels: [equal, similar(0.95), similar(0.88), similar(0.8)],
  },
  text: {
    likeness: (l, r) =>
      `CASE WHEN jaro_winkler_similarity(${l}, ${r}, 0.95) >= 0.95 THEN ${NEARLY_EQUAL} ELSE ${sharedWords(l, r)} END`,
    levels: [equal, nearlyEqual(0.95), share(0.6), share(0.35)],
  },
  // Two people of one name have mailboxes that look alike: only a slip of the hand counts as similar.
  email: { likeness: distance(1), levels: [equal, edits(1)] },
  phone: {
    likeness: distance(2),
    levels: [{ name: "same last nine digits", when: (l, r) => `right(${l}, 9) = right(${r}, 9)` }, edits(1), edits(2)],
  },
  identifier: { likeness: distance(2), levels: [equal, edits(1), edits(2)] },
  code: { likeness: distance(1), levels: [equal, edits(1)] },
  category: { levels: [equal] },
  date: {
    likeness: distance(2),
    levels: [
      equal,
      edits(1),
      {
        name: "two of year, month and day",
        when: (l, r) =>
          `list_sum([(substr(${l}, 1, 4) = substr(${r}, 1, 4))::INT, (substr(${l}, 5, 2) = substr(${r}, 5, 2))::INT, (substr(${l}, 7, 2) = substr(${r}, 7, 2))::INT]) >= 2`,
      },
      edits(2),
    ],
  },
  number: { levels: [equal, differs(0.01), differs(0.1)] },
};

const levelsOf = (kind: FieldKind): readonly Level[] => comparisons[kind].levels;

/** How often two values of a kind are equal by chance, before any were seen. */
const equalByChance: Readonly<Record<FieldKind, number>> = {
  name: 1e-3,
  text: 1e-3,
  email: 1e-5,
  phone: 1e-5,
  identifier: 1e-5,
  code: 1e-2,
  category: 0.2,
  date: 3e-4,
  number: 1e-2,
};

/** Agreement by chance at each level of a field, before any records were seen. */
export function expectedChance({ kind }: Field): number[] {
  const equal = equalByChance[kind];
  const between = levelsOf(kind)
    .slice(1)
    .map(() => Math.max(equal, 1e-3));
  return [equal, ...between, 1 - equal - between.reduce((sum, share) => sum + share, 0)];
}

/** The names of a field's levels, best first, "anything else" last. */
export const levelNames = ({ kind }: Field): readonly string[] => [...levelsOf(kind).map(level => level.name), "anything else"];

/** How many levels a field has, "anything else" included. */
export const levelCount = ({ kind }: Field): number => levelsOf(kind).length + 1;

/** SQL for how alike a pair `l`, `r` of records is in a field, as `levelSql` wants it; NULL where that is not asked. */
export function likenessSql({ column, kind }: Field): string {
  const [left, right] = [`l.${named(column)}`, `r.${named(column)}`];
  const likeness = comparisons[kind].likeness?.(left, right);
  return likeness === undefined ? "NULL" : `CASE WHEN ${left} <> ${right} THEN ${likeness} END`;
}

/** SQL for the level that two values reach that are so alike: 0 the best, NULL when either side has none. */
export function levelSql({ kind }: Field, left: string, right: string, likeness: string): string {
  const levels = levelsOf(kind);
  const cases = levels.map((level, index) => `WHEN ${level.when(left, right, likeness)} THEN ${index}`);
  return `(CASE WHEN ${left} IS NULL OR ${right} IS NULL THEN NULL ${cases.join(" ")} ELSE ${levels.length} END)::TINYINT`;
}

/**
 * A mailbox as it is reached: without its `+tag`, and at Gmail without its dots; none for one that belongs to a role. As `matchEmail` has it.
 * @see https://support.google.com/mail/answer/7436150
 */
function mailboxSql(parts: string): string {
  const [local, domain] = [`${parts}.local`, `${parts}.domain`];
  const roles = [...roleMailboxes].map(quoted).join(", ");
  const mailbox = `nullif(CASE ${domain} WHEN 'gmail.com' THEN replace(${local}, '.', '') ELSE ${local} END || '@' || ${domain}, '@')`;
  return `CASE WHEN ${local} IN (${roles}) THEN NULL ELSE ${mailbox} END`;
}

const mailboxParts = (text: string): string =>
  `{local: split_part(split_part(${text}, '@', 1), '+', 1), domain: replace(split_part(${text}, '@', 2), 'googlemail.com', 'gmail.com')}`;

/** A step from a value to its form: SQL over the SQL of what the step before has made. */
type Step = (value: string) => string;

const plain: Step = text => `strip_accents(lower(${text}))`;
const only = (characters: string, between: string): Step => {
  return text => `nullif(trim(regexp_replace(${text}, '[^${characters}]+', '${between}', 'g')), '')`;
};
const spaced: Step = text =>
  // Most texts are in that form already, which is cheap to see.
  `CASE WHEN regexp_full_match(${text}, '[a-z0-9]+( [a-z0-9]+)*') THEN ${text} ELSE ${only("\\p{L}\\p{N}", " ")(text)} END`;
const tight: Step = only("\\p{L}\\p{N}", "");

/**
 * The steps that bring a raw text into the form in which a kind is compared; NULL when nothing is left. Each is a query of its own: where SQL names a value twice, DuckDB
 * may reckon it twice.
 */
export function normalSteps(kind: FieldKind): readonly Step[] {
  switch (kind) {
    case "email":
      return [text => `trim(${plain(text)}, ' \t\r\n')`, mailboxParts, mailboxSql];
    case "number":
      return [text => `nullif(trim(regexp_replace(${plain(text)}, '\\s+', ' ', 'g')), '')`];
    case "phone":
      return [only("0-9", "")];
    case "identifier":
    case "code":
    case "date":
      return [plain, tight];
    case "name":
    case "text":
    case "category":
      return [plain, spaced];
  }
}
