/** What is asked: the same text of every server. */
export const queries = {
  "{ __typename }": "{ __typename }",
  "one customer":
    'query { customer(id: "4821") { name invoices(last: 5) { amount status } tickets(open: true) { subject createdAt } } }',
  "25 customers": `{ customers(first: 25) { nodes {
    id name email country status
    invoices(last: 5) { amount currency status }
    tickets(last: 5) { subject status }
    usageSummary { sessions }
  } } }`,
} as const;

export type QueryName = keyof typeof queries;
export const queryNames = Object.keys(queries) as QueryName[];

/** What the 25-customer query asks of one customer, found by the key of its record in the CRM. */
export const contactQuery = (key: string): string => `{ customer(by: { source: "hubspot", key: "${key}" }) {
  name invoices(last: 5) { amount currency status } tickets(last: 5) { subject status } usageSummary { sessions }
} }`;

/** One customer by canonical id, with all that belongs to it. */
export const customerQuery = (id: string): string =>
  `{ customer(id: "${id}") { name email invoices(last: 5) { amount } tickets(last: 5) { subject } usageSummary { sessions } } }`;
