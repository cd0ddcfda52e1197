/** One tab of the explorer: a query that runs as it stands, without variables. */
export interface ExplorerQuery {
  /** The tab's label, unique among the tabs: the editor reads it after the word `query`, in a comment if need be. */
  readonly title: string;
  /** One GraphQL operation, laid out as the editor shows it. */
  readonly query: string;
}

const oneCustomer: ExplorerQuery = {
  title: "Customer",
  query: `# One customer who lives in four systems.
# Run it: the ▶ button, or Ctrl-Enter.
query { # same as: query Customer {
  customer(id: "4821") {
    name
    invoices(last: 5) {
      amount
      status
    }
    tickets(open: true) {
      subject
      createdAt
    }
  }
}
`,
};

const manyCustomers: ExplorerQuery = {
  title: "CustomersAtAGlance",
  query: `# 25 customers at once. Keys are batched,
# identical reads are shared, and each source
# keeps to its budget.
query CustomersAtAGlance {
  customers(first: 25) {
    nodes {
      id
      name
      country
      status
      invoices(last: 3) {
        number
        amount
        currency
        status
      }
      tickets(open: true) {
        subject
        priority
      }
      usageSummary(days: 30) {
        activeDays
        sessions
        events
        lastActiveDay
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
};

const provenance: ExplorerQuery = {
  title: "CustomerProvenance",
  query: `# Where each value comes from: the source, its
# own field, the rule that read it, and when.
# And the records that are this customer.
query CustomerProvenance {
  customer(id: "4821") {
    id
    name
    email
    status
    provenance {
      field
      source
      key
      sourceField
      rule
      fetchedAt
    }
    identities {
      source
      collection
      key
    }
  }
}
`,
};

const sources: ExplorerQuery = {
  title: "SourceHealth",
  query: `# How each source is doing: its health, its
# circuit breaker, what is left of its budgets.
query SourceHealth {
  sources {
    name
    title
    health
    breaker
    budgets {
      name
      unit
      allowed
      used
      left
      queued
    }
    calls
    throttled
    pausedUntil
    lastSuccessAt
    lastFailureAt
    lastFailureCode
  }
}
`,
};

/** The explorer's tabs, left to right. */
export const explorerQueries: readonly ExplorerQuery[] = [oneCustomer, manyCustomers, provenance, sources];
