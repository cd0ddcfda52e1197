/**
 * Digits after the decimal point of the currencies whose count is not 2.
 * @see https://www.six-group.com/en/products-services/financial-information/data-standards.html ISO 4217, list one
 */
export const currencyExponents: Readonly<Record<string, number>> = {
  BHD: 3,
  BIF: 0,
  CLF: 4,
  CLP: 0,
  DJF: 0,
  GNF: 0,
  IQD: 3,
  ISK: 0,
  JOD: 3,
  JPY: 0,
  KMF: 0,
  KRW: 0,
  KWD: 3,
  LYD: 3,
  OMR: 3,
  PYG: 0,
  RWF: 0,
  TND: 3,
  UGX: 0,
  UYI: 0,
  UYW: 4,
  VND: 0,
  VUV: 0,
  XAF: 0,
  XOF: 0,
  XPF: 0,
};

/** Digits after the decimal point of a currency (ISO 4217, upper case): 2 unless listed. */
export const exponentOf = (currency: string): number => currencyExponents[currency] ?? 2;

const known = new Set(Intl.supportedValuesOf("currency"));

/** Whether a text is a currency's code (ISO 4217, upper case), also that of a currency of the past. */
export const isCurrency = (code: string): boolean => known.has(code);
