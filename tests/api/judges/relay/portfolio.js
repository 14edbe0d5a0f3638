// What a Relay front end declares: the compiler checks it against schema.graphql and Relay's conventions.
import { graphql } from 'relay-runtime';

export const page = graphql`
  query portfolioPageQuery($first: Int!, $where: DebtorWhere) {
    ...portfolio_list @arguments(first: $first, where: $where)
  }
`;

export const list = graphql`
  fragment portfolio_list on Query
  @argumentDefinitions(first: { type: "Int!" }, after: { type: "String" }, where: { type: "DebtorWhere" })
  @refetchable(queryName: "portfolioListPaginationQuery") {
    debtors(first: $first, after: $after, where: $where) @connection(key: "portfolio_debtors") {
      edges {
        node {
          ...portfolio_debtor
        }
      }
    }
  }
`;

export const debtor = graphql`
  fragment portfolio_debtor on Debtor @refetchable(queryName: "portfolioDebtorRefetchQuery") {
    reference
    daysPastDue
    balance {
      amount
      currency
    }
    communications(first: 5) {
      edges {
        node {
          channel
          sentAt
        }
      }
    }
  }
`;

export const promote = graphql`
  mutation portfolioPromoteMutation($id: ID!) {
    promoteModel(id: $id) {
      ... on ModelVersion {
        status
      }
      ... on UserError {
        code
        message
      }
    }
  }
`;

export const progress = graphql`
  subscription portfolioProgressSubscription($id: ID!) {
    trainingProgress(id: $id) {
      status
      progress
    }
  }
`;
