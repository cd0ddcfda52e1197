const DAY_MS = 86_400_000;

/** A day counted from 1970-01-01. */
export const dayNumber = (text: string): number => Math.floor(Date.parse(`${text}T00:00:00Z`) / DAY_MS);

/** A counted day as `YYYY-MM-DD`. */
export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** Whether a text is a calendar date that exists. */
export const isDay = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(dayNumber(text)) && dayText(dayNumber(text)) === text;

/** Easter Sunday, by the anonymous Gregorian algorithm. @see https://en.wikipedia.org/wiki/Date_of_Easter#Anonymous_Gregorian_algorithm */
function easterOf(year: number): number {
  const golden = year % 19;
  const century = Math.floor(year / 100);
  const rest = year % 100;
  const skipped = Math.floor((century - Math.floor((century + 8) / 25) + 1) / 3);
  const epact = (19 * golden + century - Math.floor(century / 4) - skipped + 15) % 30;
  const weekday = (32 + 2 * (century % 4) + 2 * Math.floor(rest / 4) - epact - (rest % 4)) % 7;
  const shift = Math.floor((golden + 11 * epact + 22 * weekday) / 451);
  const code = epact + weekday - 7 * shift + 114;
  return Math.floor(Date.UTC(year, Math.floor(code / 31) - 1, (code % 31) + 1) / DAY_MS);
}

const fixedHolidays = new Set(["01-01", "05-01", "12-25", "12-26"]);

/** Whether rates are published on a day: not at weekends, nor on the six days on which the euro's payment system rests. @see https://www.ecb.europa.eu/services/contacts/working-hours/html/index.en.html */
export function isPublished(day: number): boolean {
  const weekday = (day + 4) % 7;
  if (weekday === 0 || weekday === 6) return false;
  const text = dayText(day);
  if (fixedHolidays.has(text.slice(5))) return false;
  const easter = easterOf(Number(text.slice(0, 4)));
  return day !== easter - 2 && day !== easter + 1;
}
