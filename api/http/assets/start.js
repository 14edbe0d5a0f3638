// A key may be given as /graphql#key=dw_…: what follows # never leaves the browser.
const key = new URLSearchParams(location.hash.slice(1)).get("key") || "YOUR-KEY";
const authorization = { Authorization: `Bearer ${key}` };
const headers = JSON.stringify(authorization, null, 2);

const FRONT_END = `# Front-end teams: page through debtors, then open a case.
query Debtors($first: Int!, $after: String, $where: DebtorWhere, $orderBy: [DebtorOrder!]) {
  debtors(first: $first, after: $after, where: $where, orderBy: $orderBy) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges {
      node {
        id reference name country daysPastDue
        segment { key }
        balance { amount currency }
        communications(first: 5) { edges { node { channel sentAt deliveredAt openedAt clickedAt convertedAt } } }
        promises(first: 5) { edges { node { dueOn status amount { amount currency } } } }
      }
    }
  }
}
`;

const CAMPAIGNS = `# Campaign tools: the best channel and send time of every segment, and what it is worth.
query SegmentRecommendations($segments: [String!], $channels: [Channel!]) {
  segmentRecommendations(segments: $segments, channels: $channels) {
    segment { key debtorCount }
    recommendation {
      evidence
      best {
        channel weekday hour template sendAt reasons
        expected { conversionRate collected { amount currency } net { amount currency low high } }
      }
      blockedBy { rule message }
      reasons
    }
  }
}
`;

const OPS = `# Ops: the models, how they did, and whether they may serve. Train with: mutation { trainModels(input: {}) { … } }
query ModelVersions($first: Int!) {
  modelVersions(first: $first) {
    edges {
      node {
        id version status trainedAt dataFrom dataTo rows
        metrics { name value low high baseline }
        gate { passed checks { name passed value threshold message } }
      }
    }
  }
}
`;

const tabs = [
  {
    query: FRONT_END,
    variables: JSON.stringify(
      { first: 10, where: { daysPastDue: { gte: 30 } }, orderBy: [{ field: "DAYS_PAST_DUE", direction: "DESC" }] },
      null,
      2,
    ),
    headers,
  },
  { query: CAMPAIGNS, variables: "{}", headers },
  { query: OPS, variables: JSON.stringify({ first: 5 }, null, 2), headers },
];

const url = location.origin + location.pathname;
const fetcher = GraphiQL.createFetcher({
  url,
  headers: authorization, // those of the Headers tab win
  subscriptionUrl: url.replace(/^http/, "ws"),
  wsConnectionParams: authorization,
});

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: tabs,
    defaultHeaders: headers,
    // GraphiQL fills the first tab's variables from here alone; later visits come back to what was left.
    variables: localStorage.getItem("graphiql:tabState") ? undefined : tabs[0].variables,
    defaultEditorToolsVisibility: "variables",
    shouldPersistHeaders: false,
  }),
);
