import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js/min";

/**
 * The E.164 form of a telephone number whose length is possible where it belongs; null when it is none. An extension is dropped. A national
 * number needs its country (ISO 3166-1 alpha-2); `00` stands for `+` where the country does not read it otherwise.
 */
export function phoneOf(text: string, country: string | null): string | null {
  const home = country !== null && isSupportedCountry(country) ? country : undefined;
  return parsed(text, home) ?? (text.startsWith("00") ? parsed(`+${text.slice(2)}`, undefined) : null);
}

function parsed(text: string, home: CountryCode | undefined): string | null {
  const number = parsePhoneNumberFromString(text, { extract: false, ...(home === undefined ? {} : { defaultCountry: home }) });
  return number?.isPossible() === true ? number.number : null;
}
