import { beforeAll, describe, expect, it } from "@jest/globals";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { RuleData } from "../../../src/source/rule.ts";
import * as t from "../../../src/source/rule.ts";
import { openDuckDB, readings } from "./both-forms.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await openDuckDB();
});

/** The JSON text of `a` (and of `b`) → canonical text, or the issue's code in angle brackets, or null. */
type Examples = Readonly<Record<string, string | null>>;

const INVALID = "<INVALID_VALUE>";
const UNLISTED = "UNKNOWN <UNKNOWN_ENUM_VALUE>";
const huge = "9".repeat(38);

const readable: Readonly<Record<string, readonly [RuleData, Examples]>> = {
  "a blank": [t.text("a"), { "": null, null: null, '""': null, '" \\t\\n\\u000b\\f\\r"': null, '"\\u00a0"': "\u00a0" }],
  text: [
    t.text("a"),
    {
      '" Ann\\n"': "Ann",
      "1": INVALID,
      true: INVALID,
      "[]": INVALID,
      "{}": INVALID,
      '"a\\u0000"': INVALID,
      '"\\ud800x"': "\u{fffd}x",
    },
  ],
  "a name in an object twice": [t.text("a"), { '"first","a":"last"': "last", '"first","a":null': null }],
  "a text reference": [t.ref("a"), { '" 7b "': "7b", '"\\ufeff7b"': "7b", '"7\\ufeffb "': "7\ufeffb", '"007"': "007", "": null }],
  "a numeric reference": [
    t.ref("a"),
    { "9007199254740993": "9007199254740993", "1.0": "1", "-0": "0", "1.5": INVALID, true: INVALID },
  ],
  "a full name": [
    t.fullName("a", "b"),
    {
      '" Ann  B.\\t","b":"Lee"': "Ann B. Lee",
      '"Ann","b":" "': "Ann",
      '"","b":"Lee"': "Lee",
      '"E\\u0301va","b":null': "Éva",
      "": null,
    },
  ],
  "a full name with something else in it": [t.fullName("a", "b"), { '"Ann","b":1': INVALID, 'null,"b":{}': INVALID }],
  "joined parts": [
    t.joined(":", "a", "b"),
    { '"x","b":12': "x:12", '"x"': INVALID, 'null,"b":"y"': null, '"x","b":1.5': INVALID },
  ],
  "three joined parts": [
    t.joined(":", "a", "b", "c"),
    { '"x","b":12,"c":"z"': "x:12:z", '"x","b":12': INVALID, '"x","c":"z"': INVALID, 'null,"b":"y","c":"z"': null },
  ],
  "a mailbox": [
    t.email("a"),
    {
      '" Ann@Example.COM "': "ann@example.com",
      '"É@x.fr"': "É@x.fr",
      '"a@b"': INVALID,
      '"a@b@c.d"': INVALID,
      '"a b@c.d"': INVALID,
    },
  ],
  "no mailbox": [
    t.email("a"),
    { '"a@b..c"': INVALID, '"a@.c"': INVALID, '"a\\u00a0@b.c"': INVALID, '"@b.c"': INVALID, '"a@b.c."': INVALID },
  ],
  "a phone number with a country": [
    t.phone("a", "b"),
    { '"020 7946 0018","b":"gb"': "+442079460018", '"0030 210 1234567","b":"GBR"': "+302101234567", '"12345","b":"US"': INVALID },
  ],
  "a phone number without a country": [
    t.phone("a", "b"),
    {
      '"+1 (202) 555-0123 ext. 5"': "+12025550123",
      '"0049 30 123456"': "+4930123456",
      '"020 7946 0018"': INVALID,
      '"n/a"': INVALID,
    },
  ],
  "a phone number of its own country": [
    t.phone("a", "b"),
    { '"+442079460018","b":"US"': "+442079460018", '"+442079460018","b":7': "+442079460018" },
  ],
  "a country": [
    t.country("a"),
    {
      '"de"': "DE",
      '"DEU"': "DE",
      '"GERMANY"': "DE",
      '"uk"': "GB",
      '"cote d’ivoire"': "CI",
      '"TÜRKİYE"': "TR",
      '"XX"': INVALID,
      "49": INVALID,
    },
  ],
  "a currency": [t.currency("a"), { '" usd"': "USD", '"US"': INVALID, '"us\\u017f"': INVALID, "840": INVALID }],
  "a word of a table": [
    t.enumOf("a", { Open: "OPEN", "1": "OPEN", true: "OPEN" }),
    {
      '"OPEN "': "OPEN",
      "1": "OPEN",
      "1.0": "OPEN",
      '"1.0"': UNLISTED,
      true: "OPEN",
      false: UNLISTED,
      '"constructor"': UNLISTED,
      "[]": INVALID,
    },
  ],
  "a boolean": [
    t.boolean("a"),
    { true: "true", '"No"': "false", "1": "true", "0.0": "false", '"1"': "true", "2": INVALID, '"on"': INVALID, '"01"': INVALID },
  ],
  "a small integer": [
    t.int("a"),
    {
      "2147483647": "2147483647",
      "-2147483648": "-2147483648",
      "2147483648": INVALID,
      '"+007"': "7",
      "5.0": "5",
      "5.5": INVALID,
      '"1e3"': INVALID,
      "1e3": "1000",
    },
  ],
  "an integer": [
    t.long("a"),
    {
      "9223372036854775808": "9223372036854775808",
      "18446744073709551617": "18446744073709551617",
      [huge]: huge,
      [`${huge}9`]: INVALID,
      "1e400": INVALID,
    },
  ],
  "a decimal": [
    t.decimal("a"),
    {
      "1.50": "1.5",
      '"-00.10"': "-0.1",
      "-0.0": "0",
      "1e-7": "0.0000001",
      "0.12345678901": INVALID,
      '".5"': INVALID,
      '"1e3"': INVALID,
    },
  ],
  "a decimal that a double would change": [
    t.decimal("a"),
    {
      "123456789012345678.12345": "123456789012345678.12345",
      "0.3000000000000000": "0.3",
      "9007199254740993.5": "9007199254740993.5",
      [`1${"0".repeat(28)}`]: INVALID,
    },
  ],
  "minor units": [
    t.minorUnits("a", "b"),
    {
      '1050,"b":"usd"': "10.50",
      '1050,"b":"jpy"': "1050",
      '1050,"b":"kwd"': "1.050",
      '-5,"b":"usd"': "-0.05",
      '0,"b":"usd"': "0.00",
    },
  ],
  "minor units beyond 2^53": [
    t.minorUnits("a", "b"),
    { '900719925474099301,"b":"eur"': "9007199254740993.01", '"12345678901234567890","b":"clf"': "1234567890123456.7890" },
  ],
  "minor units that are none": [
    t.minorUnits("a", "b"),
    { "1050": INVALID, '1050,"b":"dollar"': INVALID, '10.5,"b":"usd"': INVALID, 'null,"b":"usd"': null },
  ],
  "major units": [
    t.majorUnits("a", "b"),
    {
      '10.5,"b":"usd"': "10.50",
      '"10.500","b":"usd"': "10.50",
      '10.505,"b":"usd"': INVALID,
      '10,"b":"jpy"': "10",
      '10.5,"b":"jpy"': INVALID,
    },
  ],
  "epoch seconds": [
    t.epochSeconds("a"),
    {
      "0": "1970-01-01T00:00:00.000Z",
      '"-1"': "1969-12-31T23:59:59.000Z",
      "-62135596800": "0001-01-01T00:00:00.000Z",
      "-62135596801": INVALID,
      "253402300800": INVALID,
      "1.5": INVALID,
    },
  ],
  "epoch milliseconds": [
    t.epochMillis("a"),
    {
      "253402300799999": "9999-12-31T23:59:59.999Z",
      "253402300800000": INVALID,
      "-1": "1969-12-31T23:59:59.999Z",
      "1e3": "1970-01-01T00:00:01.000Z",
    },
  ],
  "a date-time in UTC": [
    t.rfc3339("a"),
    {
      '"2026-01-31T09:00:00Z"': "2026-01-31T09:00:00.000Z",
      '"2026-01-31t09:00:00.98765z"': "2026-01-31T09:00:00.987Z",
      '"2026-01-31 09:00:00.9Z"': "2026-01-31T09:00:00.900Z",
    },
  ],
  "a date-time with an offset": [
    t.rfc3339("a"),
    {
      '"2024-03-01T00:30:00.5+01:00"': "2024-02-29T23:30:00.500Z",
      '"1969-12-31T23:59:59.25-00:01"': "1970-01-01T00:00:59.250Z",
      '"9999-12-31T23:59:59-00:01"': INVALID,
      '"0001-01-01T00:00:00+00:01"': INVALID,
    },
  ],
  "no date-time": [
    t.rfc3339("a"),
    {
      '"2016-12-31T23:59:60Z"': INVALID,
      '"2026-01-31T24:00:00Z"': INVALID,
      '"2026-02-29T00:00:00Z"': INVALID,
      '"2026-01-31T09:00:00"': INVALID,
      '"2026-01-31T09:00Z"': INVALID,
      "1700000000": INVALID,
    },
  ],
  "a date": [
    t.date("a"),
    {
      '"2024-02-29"': "2024-02-29",
      '"1900-02-29"': INVALID,
      '"0000-01-01"': INVALID,
      '"2026-1-01"': INVALID,
      '"2026-01-00"': INVALID,
    },
  ],
  "the first of two": [
    t.firstOf(t.rfc3339("a"), t.epochSeconds("b")),
    {
      '"?","b":0': "1970-01-01T00:00:00.000Z",
      '"?"': INVALID,
      '"","b":"?"': INVALID,
      "": null,
      '"2026-01-31T09:00:00Z","b":0': "2026-01-31T09:00:00.000Z",
    },
  ],
  "the same for all": [t.literal("it's"), { "": "it's", "1": "it's" }],
  "a stated absence": [t.literal(null), { "": null, "1": null }],
};

/** A value and its issue as the examples write them. */
const written = ([value, issue]: readonly [string | null, string | null]): string | null => {
  if (issue === null) return value;
  return value === null ? `<${issue}>` : `${value} <${issue}>`;
};

describe("in both of its forms a rule reads", () => {
  it.each(Object.entries(readable))("%s", async (_name, [rule, examples]) => {
    const texts = Object.keys(examples).map(text => (text === "" ? "{}" : `{"a":${text}}`));
    const read = await readings(connection, rule, texts);
    expect(Object.fromEntries(Object.keys(examples).map((text, place) => [text, read[place] && written(read[place])]))).toEqual(
      examples,
    );
  });

  it("nothing where a path goes through something that is no object", async () => {
    const texts = ['{"a":"x"}', '{"a":["x"]}', '{"a":5}', '{"a":12345678901234567.5}', '{"a":null}', "{}", "[]", '"a"', "null"];
    expect(
      (await readings(connection, t.text("a.length"), texts)).every(([value, issue]) => value === null && issue === null),
    ).toBe(true);
    expect((await readings(connection, t.text("a.constructor.name"), texts)).every(([value]) => value === null)).toBe(true);
    expect(await readings(connection, t.text("a.0"), ['{"a":["x"]}', '{"a":{"0":"y"}}'])).toEqual([
      [null, null],
      ["y", null],
    ]);
  });

  it("names that JSON paths give a meaning to", async () => {
    const texts = ['{"$":{"#-1":"a","it\'s":"b","[0]":"c","é x":"d"}}'];
    for (const [place, name] of ["#-1", "it's", "[0]", "é x"].entries()) {
      expect(await readings(connection, t.text(`$.${name}`), texts)).toEqual([["abcd"[place], null]]);
    }
  });
});
