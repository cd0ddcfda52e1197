/** Every type's resolvers; a type that is not here has only plain properties. */
import { ClickEvent } from "./event.ts";
import { Customer } from "./customer.ts";
import { Dataset } from "./dataset.ts";
import { Invoice } from "./invoice.ts";
import { CustomerConnection, Node, Query } from "./query.ts";
import { ExchangeRate } from "./rate.ts";
import { scalars } from "./scalars.ts";
import { Source } from "./source.ts";
import { Change, CustomerChange, Subscription } from "./subscription.ts";
import { Ticket } from "./ticket.ts";
import { UsageDay, UsageSummary } from "./usage.ts";

export const resolvers = {
  ...scalars,
  Query,
  Node,
  Customer,
  CustomerConnection,
  Dataset,
  Invoice,
  ClickEvent,
  ExchangeRate,
  Ticket,
  UsageDay,
  UsageSummary,
  Source,
  Subscription,
  CustomerChange,
  Change,
};
