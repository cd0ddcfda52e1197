import fc from "fast-check";

/** Arbitrary JSON texts of values, aimed at what a rule reads and at what could read differently in JavaScript and in SQL. */

/** One of the UTF-16 units of a text. */
const oneOf = (units: string) => fc.constantFrom(...units.split(""));
const digits = (minLength: number, maxLength: number) => fc.string({ unit: oneOf("0123456789"), minLength, maxLength });
const joinedParts = (...parts: readonly fc.Arbitrary<string>[]) => fc.tuple(...parts).map(texts => texts.join(""));
const sometimes = (text: fc.Arbitrary<string>) => fc.option(text, { nil: "" });

/** A string as JSON text, its characters written out or escaped. */
const jsonString = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.boolean()).map(([value, escaped]) => {
    const json = JSON.stringify(value);
    if (!escaped) return json;
    return json.replace(/[^\x20-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  });

const blanks = fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\v", "\f", "\r", "\u00a0", "\u0000"), maxLength: 3 });
const padded = (text: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: joinedParts(blanks, text, blanks) });
const texts = (text: fc.Arbitrary<string>) => jsonString(padded(text));

const oddNumbers = fc.constantFrom(
  ..."0 -0 -0.0 0.0 1.0 -1.50 1e400 -1e400 1e-400 0e9 1e5 1E+2 12e-1 1e21 1e22 1e38 1e-7 0.0000001 123456789012345.6 0.1 5e-324".split(
    " ",
  ),
  ..."9007199254740991 9007199254740992 9007199254740993 -9007199254740993 9223372036854775807 9223372036854775808".split(" "),
  ..."-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 12345678901234567.0".split(" "),
  ..."0.10000000000000000001 123456789.123456789012 0.30000000000000004 1.7976931348623157e308 2147483647 2147483648 -2147483649".split(
    " ",
  ),
  ..."99999999999999999999999999999999999999 999999999999999999999999999999999999999 1e99999999999999999999".split(" "),
);
const integerText = joinedParts(fc.constantFrom("", "-"), fc.bigInt({ min: 0n, max: 10n ** 40n }).map(String));
const smallIntegerText = fc.integer({ min: -100_000, max: 100_000 }).map(String);
const fractionText = joinedParts(smallIntegerText, fc.constant("."), digits(1, 22));
const exponentText = joinedParts(fc.oneof(smallIntegerText, fractionText), fc.constantFrom("e", "E", "e+", "e-"), digits(1, 3));
const numberText = fc.oneof(
  oddNumbers,
  smallIntegerText,
  integerText,
  fractionText,
  exponentText,
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => JSON.stringify(value)),
);
const writtenNumber = joinedParts(
  fc.constantFrom("", "", "+", "-", "--"),
  sometimes(fc.constantFrom("0", "00")),
  fc.oneof(numberText, digits(0, 45)),
  sometimes(fc.constantFrom(".", ".0", "0", "e1", "x", "\u0661")),
);
export const numbers = fc.oneof(numberText, texts(writtenNumber));

const anyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.string({
    unit: fc.constantFrom("\ud83d", "\ude00", "a", "\u0301", "\u212b", "É", "\\", '"', "'", "\0", " ", "\u2028"),
    maxLength: 6,
  }),
  fc.string({ unit: oneOf("aZ 'ßİıſK\t\n\u00a0\u0085\u3000-"), maxLength: 8 }),
);
export const anyTexts = texts(anyText);

const nested = fc.constantFrom(
  "null",
  "true",
  "false",
  "{}",
  "[]",
  '{"a":"x"}',
  "[1]",
  '["x"]',
  '""',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
);
export const oddities = fc.oneof(nested, oddNumbers, anyTexts);

const mailPart = fc.string({ unit: oneOf("aB.+@é \u00a0\u3000"), maxLength: 5 });
export const mailboxes = texts(
  fc.oneof(
    joinedParts(mailPart, fc.constantFrom("@", "@", "@@", ""), mailPart, fc.constantFrom(".", ".com", ".CO.uk", "..", "")),
    fc.emailAddress(),
  ),
);
const countryWord = fc.constantFrom(
  ..."GB gb US usa DEU Germany GERMANY türkiye TÜRKİYE ZZ uk XK Ruritania,Côte d'Ivoire,cote d’ivoire,The Netherlands,U.S.A.".split(
    /[ ,](?=\S)/,
  ),
);
export const countries = texts(countryWord);
export const phones = texts(
  fc.oneof(
    joinedParts(
      fc.constantFrom("+", "00", "0", "", "(", "tel:"),
      fc.constantFrom("44", "1", "49", "999", ""),
      fc.constantFrom(" ", "-", ""),
      fc.oneof(digits(0, 12), digits(10, 10)),
      fc.constantFrom("", "", "", " ext. 5", "x"),
    ),
    fc.constantFrom("+442079460018", "020 7946 0018", "(202) 555-0123", "+1 202 555 0123", "\u0660\u0662\u0660"),
  ),
);
export const currencies = texts(
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(..."usd USD Jpy kwd clf EUR ısk".split(" ")) },
    { weight: 1, arbitrary: fc.string({ unit: oneOf("aUsſKİ"), maxLength: 4 }) },
  ),
);
const word = fc.constantFrom(
  ..."active ACTIVE Active past_due true TRUE Yes no 0 1 01 1.0 +1 unknown UNKNOWN ünder ÜNDER ÜNDER".split(" "),
);
export const words = fc.oneof(texts(word), fc.constantFrom("1", "0", "1.0", "-0", "2", "1e0", "true", "false"));

const two = (max: number) => fc.integer({ min: 0, max }).map(value => String(value).padStart(2, "0"));
const year = fc.oneof(
  fc.constantFrom("0000", "0001", "1900", "1970", "2000", "2024", "9999"),
  fc.integer({ min: 0, max: 10_000 }).map(value => String(value).padStart(4, "0")),
);
const day = joinedParts(year, fc.constantFrom("-", "-", "-", "/"), two(13), fc.constant("-"), two(32));
const edgeDay = fc.constantFrom(
  "2024-02-29",
  "2026-02-29",
  "1900-02-29",
  "2000-02-29",
  "0001-01-01",
  "9999-12-31",
  "0000-12-31",
  "2026-04-31",
);
const anyDay = fc.oneof(day, edgeDay);
export const dates = texts(fc.oneof(anyDay, joinedParts(anyDay, fc.constantFrom("T", "Z", " ", "x"))));
const clock = fc.oneof(
  joinedParts(two(24), fc.constant(":"), two(60), fc.constant(":"), two(61)),
  fc.constantFrom("00:00:00", "23:59:59", "23:59:60", "24:00:00"),
);
const offset = fc.oneof(
  fc.constantFrom("Z", "z", "", "+00:00", "-00:00", "+23:59", "-23:59", "+0100", "+01"),
  joinedParts(fc.constantFrom("+", "-"), two(25), fc.constant(":"), two(60)),
);
const dateTime = joinedParts(
  anyDay,
  fc.constantFrom("T", "T", "t", " ", "_"),
  clock,
  sometimes(joinedParts(fc.constantFrom(".", ".", ","), digits(0, 12))),
  offset,
);
export const dateTimes = texts(
  fc.oneof(
    dateTime,
    fc.date({ noInvalidDate: true }).map(value => value.toISOString()),
  ),
);

const epochEdges = [
  "-62135596800",
  "-62135596801",
  "253402300799",
  "253402300800",
  "253402300799999",
  "-62135596800001",
  "999999999999999",
  "0.5",
];
export const epochs = fc.oneof(
  fc.constantFrom(...epochEdges),
  fc.integer({ min: -63_000_000_000, max: 260_000_000_000 }).map(String),
  fc.integer({ min: -63_000_000_000_000, max: 260_000_000_000_000 }).map(String),
  texts(fc.constantFrom(...epochEdges)),
);

/** A record with two values, `a` and `in.b`: one in ten is something else altogether, absent or there twice. */
export function recordTexts(first: fc.Arbitrary<string>, second: fc.Arbitrary<string> = first): fc.Arbitrary<string> {
  const mixed = (own: fc.Arbitrary<string>) => fc.oneof({ weight: 9, arbitrary: own }, { weight: 1, arbitrary: oddities });
  const members = (name: string, own: fc.Arbitrary<string>) =>
    fc
      .tuple(fc.constantFrom(0, 1, 1, 1, 1, 1, 1, 1, 1, 2), mixed(own), mixed(own))
      .map(([count, ...values]) => values.slice(0, count).map(value => `"${name}":${value}`));
  const inner = fc.oneof(
    { weight: 19, arbitrary: members("b", second).map(all => `{${all.join(",")}}`) },
    { weight: 1, arbitrary: oddities },
  );
  return fc.tuple(members("a", first), inner).map(([a, b]) => `{${[...a, `"in":${b}`].join(",")}}`);
}
