// A client of a few lines: what is asked, with which variables, and what comes back are all typed by the document.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { print } from 'graphql';
import { createClient } from 'graphql-sse';

/** An error as dunwell tells it: `extensions.code` is stable, `extensions.argument` says where. */
export interface ToldError {
  readonly message: string;
  readonly extensions?: { readonly [name: string]: unknown };
}

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly ToldError[];
}

/** The errors of an answer, which is then not to be believed. */
export class Refused extends Error {
  constructor(readonly errors: readonly ToldError[]) {
    super(errors.map(({ message, extensions }) => `${extensions?.['code']}: ${message}`).join('\n'));
  }
}

function dataOf<Data>({ data, errors }: Answer<Data>): Data {
  if (errors?.length) throw new Refused(errors);
  if (data == null) throw new Error('An answer without data and errors.');
  return data;
}

export class Dunwell {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#headers = { authorization: `Bearer ${key}` };
  }

  /** The answer to a query or mutation. */
  async ask<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        ...this.#headers,
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
      },
      body: JSON.stringify({ query: print(document), variables }),
    });
    return dataOf((await response.json()) as Answer<Data>);
  }

  /** The answers of a subscription, until it is complete. */
  async *watch<Data, Variables extends Record<string, unknown>>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncGenerator<Data> {
    const events = createClient({ url: this.#url, headers: this.#headers });
    try {
      for await (const answer of events.iterate<Data>({ query: print(document), variables })) {
        yield dataOf(answer);
      }
    } finally {
      events.dispose();
    }
  }
}
