/** Local parts of mailboxes that belong to a role or to nobody: they say nothing about who a record is. */
export const roleMailboxes: ReadonlySet<string> = new Set(
  "abuse accounting accounts admin administrator all billing careers contact customerservice enquiries feedback finance hello help helpdesk hostmaster hr info inquiries invoice invoices it jobs legal mail marketing me media na no-reply nobody none noreply null office orders payments postmaster press privacy reception root sales security service shop staff subscribe support team test unknown unsubscribe user web webmaster".split(
    " ",
  ),
);
const dotlessDomains = new Set(["gmail.com", "googlemail.com"]);

/**
 * The mailbox that a canonical e-mail reaches, for comparing: the `+tag` removed, and at Gmail the dots too. Null for role mailboxes,
 * which many people share.
 * @see https://support.google.com/mail/answer/7436150
 */
export function matchEmail(email: string): string | null {
  const at = email.lastIndexOf("@");
  const domain = email.slice(at + 1);
  const untagged = email.slice(0, at).split("+")[0] ?? "";
  const local = dotlessDomains.has(domain) ? untagged.replaceAll(".", "") : untagged;
  if (local === "" || roleMailboxes.has(local)) return null;
  return `${local}@${domain === "googlemail.com" ? "gmail.com" : domain}`;
}
