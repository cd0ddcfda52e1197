import { named, quoted } from "../../mapping/sql-text.ts";
import { roleMailboxes } from "../match-email.ts";
import type { Field, FieldKind } from "./model.ts";

/** One way in which two values can agree, best first; the last level of every kind is "anything else". */
interface Level {
  readonly name: string;
  /** SQL over the two values. */
  readonly when: (left: string, right: string) => string;
}

const equal: Level = { name: "equal", when: (l, r) => `${l} = ${r}` };
const similar = (least: number): Level => ({
  name: `Jaro–Winkler ≥ ${least}`,
  when: (l, r) => `jaro_winkler_similarity(${l}, ${r}) >= ${least}`,
});
/** Counting edits is dear; texts that begin and end differently, or are not nearly of one length, are further apart. */
const edits = (most: number): Level => ({
  name: most === 1 ? "one edit" : `${most} edits`,
  when: (l, r) =>
    `abs(length(${l}) - length(${r})) <= ${most} AND (left(${l}, 2) = left(${r}, 2) OR right(${l}, 2) = right(${r}, 2)) AND levenshtein(${l}, ${r}) <= ${most}`,
});
const differs = (share: number): Level => ({
  name: `differs by ${share * 100} % at most`,
  when: (l, r) => `abs(${l}::DOUBLE - ${r}::DOUBLE) <= ${share} * greatest(abs(${l}::DOUBLE), abs(${r}::DOUBLE))`,
});
const share = (least: number): Level => ({
  name: `shares ${least * 100} % of its words`,
  when: (l, r) =>
    `2 * len(list_intersect(string_split(${l}, ' '), string_split(${r}, ' '))) >= ${least} * (len(string_split(${l}, ' ')) + len(string_split(${r}, ' ')))`,
});

const levelsOf: Readonly<Record<FieldKind, readonly Level[]>> = {
  name: [equal, similar(0.95), similar(0.88), similar(0.8)],
  text: [equal, similar(0.95), share(0.6), share(0.35)],
  // Two people of one name have mailboxes that look alike: only a slip of the hand counts as similar.
  email: [equal, edits(1)],
  phone: [{ name: "same last nine digits", when: (l, r) => `right(${l}, 9) = right(${r}, 9)` }, edits(1), edits(2)],
  identifier: [equal, edits(1), edits(2)],
  code: [equal, edits(1)],
  category: [equal],
  date: [
    equal,
    edits(1),
    {
      name: "two of year, month and day",
      when: (l, r) =>
        `list_sum([(substr(${l}, 1, 4) = substr(${r}, 1, 4))::INT, (substr(${l}, 5, 2) = substr(${r}, 5, 2))::INT, (substr(${l}, 7, 2) = substr(${r}, 7, 2))::INT]) >= 2`,
    },
    edits(2),
  ],
  number: [equal, differs(0.01), differs(0.1)],
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
  const between = levelsOf[kind].slice(1).map(() => Math.max(equal, 1e-3));
  return [equal, ...between, 1 - equal - between.reduce((sum, share) => sum + share, 0)];
}

/** The names of a field's levels, best first, "anything else" last. */
export const levelNames = ({ kind }: Field): readonly string[] => [...levelsOf[kind].map(level => level.name), "anything else"];

/** How many levels a field has, "anything else" included. */
export const levelCount = ({ kind }: Field): number => levelsOf[kind].length + 1;

/** SQL for the level that a pair `l`, `r` reaches: 0 the best, NULL when either side has no value. */
export function levelSql(field: Field): string {
  const [left, right] = [`l.${named(field.column)}`, `r.${named(field.column)}`];
  const levels = levelsOf[field.kind];
  const cases = levels.map((level, index) => `WHEN ${level.when(left, right)} THEN ${index}`);
  return `(CASE WHEN ${left} IS NULL OR ${right} IS NULL THEN NULL ${cases.join(" ")} ELSE ${levels.length} END)::TINYINT`;
}

/**
 * A mailbox as it is reached: without its `+tag`, and at Gmail without its dots; none for one that belongs to a role. As `matchEmail` has it.
 * @see https://support.google.com/mail/answer/7436150
 */
function mailboxSql(text: string): string {
  const local = `split_part(split_part(${text}, '@', 1), '+', 1)`;
  const domain = `replace(split_part(${text}, '@', 2), 'googlemail.com', 'gmail.com')`;
  const roles = [...roleMailboxes].map(quoted).join(", ");
  const mailbox = `nullif(CASE ${domain} WHEN 'gmail.com' THEN replace(${local}, '.', '') ELSE ${local} END || '@' || ${domain}, '@')`;
  return `CASE WHEN ${local} IN (${roles}) THEN NULL ELSE ${mailbox} END`;
}

/** SQL that brings a raw text into the form in which a kind is compared; NULL when nothing is left. */
export function normalSql(kind: FieldKind, text: string): string {
  const plain = `trim(regexp_replace(strip_accents(lower(${text})), '\\s+', ' ', 'g'))`;
  const words = `trim(regexp_replace(${plain}, '[^\\p{L}\\p{N}]+', ' ', 'g'))`;
  const tight = `regexp_replace(${plain}, '[^\\p{L}\\p{N}]+', '', 'g')`;
  switch (kind) {
    case "email":
      return mailboxSql(plain);
    case "number":
      return `nullif(${plain}, '')`;
    case "phone":
      return `nullif(regexp_replace(${plain}, '[^0-9]+', '', 'g'), '')`;
    case "identifier":
    case "code":
    case "date":
      return `nullif(${tight}, '')`;
    case "name":
    case "text":
    case "category":
      return `nullif(${words}, '')`;
  }
}
