import { quoted } from "../../mapping/sql-text.ts";
import { roleMailboxes } from "../match-email.ts";
import type { Field, FieldKind } from "./model.ts";

/** One way in which two values agree that are not equal. */
interface Level {
  readonly name: string;
  /** SQL over the kind's measure. */
  readonly when: (measure: string) => string;
}

/** How values of a kind agree: equal, then the levels, best first, then anything else. */
interface Comparison {
  readonly equal?: string;
  /** SQL for how alike, or how far apart, two values are that are not equal; dear, and therefore reckoned once. */
  readonly measure?: (left: string, right: string) => string;
  readonly levels: readonly Level[];
}

const atLeast = (least: number, name: string): Level => ({ name, when: likeness => `${likeness} >= ${least}` });
const atMost = (most: number, name: string): Level => ({ name, when: distance => `${distance} <= ${most}` });

const similar = (least: number): Level => atLeast(least, `Jaro–Winkler ≥ ${least}`);

/** Below it, few edits are not enough. */
const LEAST_JARO = 0.65;
/** How many edits apart two texts are. That is dear to count, so it is done where few are possible; CASE, because AND reckons both of its sides. */
const edits =
  (most: number) =>
  (l: string, r: string): string => `
    CASE WHEN abs(length(${l}) - length(${r})) <= ${most}
      THEN CASE WHEN jaro_similarity(${l}, ${r}, ${LEAST_JARO}) > 0 THEN levenshtein(${l}, ${r}) END END`;
const oneEdit = atMost(1, "one edit");
const twoEdits = atMost(2, "2 edits");

const words = (text: string): string => `string_split(${text}, ' ')`;
/** The share of their words, from 0 to 1, that two texts have in common; above every share for texts that are nearly equal. */
const sharedWords = (l: string, r: string): string => `
  CASE WHEN jaro_winkler_similarity(${l}, ${r}, 0.95) >= 0.95 THEN ${NEARLY_EQUAL}
    ELSE 2e0 * len(list_intersect(${words(l)}, ${words(r)})) / (len(${words(l)}) + len(${words(r)})) END`;
const NEARLY_EQUAL = 2;
const shares = (least: number): Level => atLeast(least, `shares ${least * 100} % of its words`);

/** Between one edit and two. */
const ONE_PART = 1.5;
const samePart = (from: number, digits: number) => (l: string, r: string) =>
  `(substr(${l}, ${from}, ${digits}) = substr(${r}, ${from}, ${digits}))::INT`;
const dateParts = [samePart(1, 4), samePart(5, 2), samePart(7, 2)];
const apartInTime = (l: string, r: string): string =>
  `least(${edits(2)(l, r)}, CASE WHEN ${dateParts.map(same => same(l, r)).join(" + ")} >= 2 THEN ${ONE_PART} END)`;

const relativeDifference = (l: string, r: string): string =>
  `abs(${l}::DOUBLE - ${r}::DOUBLE) / greatest(abs(${l}::DOUBLE), abs(${r}::DOUBLE), 1e-300)`;
const differs = (share: number): Level => atMost(share, `differs by ${share * 100} % at most`);

const comparisons: Readonly<Record<FieldKind, Comparison>> = {
  name: {
    measure: (l, r) => `jaro_winkler_similarity(${l}, ${r}, 0.8)`,
    levels: [similar(0.95), similar(0.88), similar(0.8)],
  },
  text: { measure: sharedWords, levels: [atLeast(NEARLY_EQUAL, "Jaro–Winkler ≥ 0.95"), shares(0.6), shares(0.35)] },
  // Two people of one name have mailboxes that look alike: only a slip of the hand counts as similar.
  email: { measure: edits(1), levels: [oneEdit] },
  phone: { equal: "same last nine digits", measure: edits(2), levels: [oneEdit, twoEdits] },
  identifier: { measure: edits(2), levels: [oneEdit, twoEdits] },
  code: { measure: edits(1), levels: [oneEdit] },
  category: { levels: [] },
  date: { measure: apartInTime, levels: [oneEdit, atMost(ONE_PART, "two of year, month and day"), twoEdits] },
  number: { measure: relativeDifference, levels: [differs(0.01), differs(0.1)] },
};

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
  const between = comparisons[kind].levels.map(() => Math.max(equal, 1e-3));
  return [equal, ...between, 1 - equal - between.reduce((sum, share) => sum + share, 0)];
}

/** The names of a field's levels, best first, "anything else" last. */
export const levelNames = ({ kind }: Field): readonly string[] => [
  comparisons[kind].equal ?? "equal",
  ...comparisons[kind].levels.map(level => level.name),
  "anything else",
];

/** How many levels a field has, "anything else" included. */
export const levelCount = ({ kind }: Field): number => comparisons[kind].levels.length + 2;

/** SQL for how alike, or how far apart, two values of a field are that are not equal, as `levelSql` wants it. */
export const measureSql = ({ kind }: Field, left: string, right: string): string =>
  comparisons[kind].measure?.(left, right) ?? "NULL";

/** SQL for the level that a pair reaches: 0 where it `isEqual`, which is NULL when either side has no value, and so is the level then. */
export function levelSql({ kind }: Field, isEqual: string, measure: string): string {
  const { levels } = comparisons[kind];
  const cases = levels.map((level, index) => `WHEN ${level.when(measure)} THEN ${index + 1}`);
  return `(CASE WHEN ${isEqual} IS NULL THEN NULL WHEN ${isEqual} THEN 0 ${cases.join(" ")} ELSE ${levels.length + 1} END)::TINYINT`;
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
      // Before them stand the country and whatever else it takes to dial from where one is.
      return [only("0-9", ""), digits => `right(${digits}, 9)`];
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
