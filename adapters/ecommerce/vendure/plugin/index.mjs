// Ponte in a Vendure store: a nudge for every change of an order, and vouchers as a means of payment.
// Plain JavaScript, no build step and no dependency beyond Vendure itself.
import {
  EventBus,
  LanguageCode,
  Logger,
  Order,
  OrderStateTransitionEvent,
  PaymentMethodHandler,
  PaymentStateTransitionEvent,
  PluginCommonModule,
  RefundEvent,
  RefundStateTransitionEvent,
  TransactionalConnection,
  VendurePlugin,
} from '@vendure/core';
import { createHmac } from 'node:crypto';

const CONTEXT = 'Ponte';
const MEDIA_TYPE = 'application/vnd.vtex.giftcards.v1+json';
// These leave the order's own `updatedAt` alone, by which the hub asks for what it missed.
const MONEY = [PaymentStateTransitionEvent, RefundEvent, RefundStateTransitionEvent];

/** The plug-in. `url` is the delivery URL that the hub shows, `secret` the `webhook_secret` of its installation. */
export function pontePlugin({ url, secret, timeoutMs = 5000 }) {
  class Nudges {
    constructor(bus, connection) {
      this.bus = bus;
      this.connection = connection;
    }

    onApplicationBootstrap() {
      // Inside the transaction of the change: whoever sees the refund sees the new `updatedAt` too.
      this.bus.registerBlockingEventHandler({
        event: MONEY,
        id: 'ponte-order-touched',
        handler: ({ ctx, order }) => touch(this.connection.getRepository(ctx, Order), order),
      });
      // After it, whatever was saved last: SQLite's own time stamps are whole seconds and would run backwards.
      for (const change of [OrderStateTransitionEvent, ...MONEY]) {
        this.bus.ofType(change).subscribe(async ({ order }) => {
          await touch(this.connection.rawConnection.getRepository(Order), order);
          await this.tell(change.name, order.code);
        });
      }
    }

    /** A nudge that is lost is not repeated: the hub asks for changed orders by itself. */
    async tell(event, order) {
      const body = JSON.stringify({ event, order, at: new Date().toISOString() });
      const signature = createHmac('sha256', secret).update(body).digest('hex');
      const headers = { 'content-type': 'application/json', 'x-ponte-signature': `sha256=${signature}` };
      try {
        const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(timeoutMs) });
        if (!answer.ok) Logger.warn(`the hub answered ${answer.status} to ${event} of ${order}`, CONTEXT);
      } catch (error) {
        Logger.warn(`the hub was not reached for ${event} of ${order}: ${error.message}`, CONTEXT);
      }
    }
  }
  Reflect.defineMetadata('design:paramtypes', [EventBus, TransactionalConnection], Nudges);
  VendurePlugin({ imports: [PluginCommonModule], compatibility: '>=3.6.0' })(Nudges);
  return Nudges;
}

/**
 * A means of payment for `paymentOptions.paymentMethodHandlers`: the gift-card provider protocol, spoken to the
 * hub. `addPaymentToOrder` takes `metadata: { redemptionCode }` for a voucher, or none for the member's balance.
 * It pays what the card holds, at most the order; the rest is left for another payment.
 */
export const ponteGiftCard = new PaymentMethodHandler({
  code: 'ponte-gift-card',
  description: [
    { languageCode: LanguageCode.pt_BR, value: 'Voucher ou saldo do programa de fidelidade' },
    { languageCode: LanguageCode.en, value: 'Voucher or balance of the loyalty programme' },
  ],
  args: {
    serviceUrl: { type: 'string', label: [{ languageCode: LanguageCode.en, value: 'Service URL' }] },
    appKey: { type: 'string', label: [{ languageCode: LanguageCode.en, value: 'App key' }] },
    appToken: {
      type: 'string',
      label: [{ languageCode: LanguageCode.en, value: 'App token' }],
      ui: { component: 'password-form-input' },
    },
  },

  async createPayment(ctx, order, amount, args, metadata) {
    const hub = provider(args);
    const document = order.customFields?.cpf ?? order.customer?.customFields?.cpf ?? null;
    const client = { id: String(order.customer?.id ?? ''), email: order.customer?.emailAddress ?? '', document };
    const redemptionCode = metadata?.redemptionCode ?? null;
    const cart = {
      grandTotal: reais(order.totalWithTax),
      relationName: null,
      redemptionCode,
      discounts: 0,
      shipping: reais(order.shippingWithTax),
      taxes: 0,
      items: [],
      itemsTotal: reais(order.subTotalWithTax),
    };
    try {
      const [card] = await hub('POST', '/giftcards/_search', { client, cart });
      if (!card) return declined('no card with value was found');
      const held = await hub('GET', `/giftcards/${encodeURIComponent(card.id)}`);
      const cents = Math.min(amount, centavos(held.balance));
      if (cents <= 0) return declined('no card with value was found');
      const debit = await hub('POST', `/giftcards/${encodeURIComponent(card.id)}/transactions`, {
        operation: 'Debit',
        value: reais(cents),
        description: order.code,
        redemptionToken: held.redemptionToken,
        redemptionCode: redemptionCode ?? held.redemptionCode, // the hub shows its own masked
        requestId: `${order.code}:${card.id}`,
        orderInfo: { orderId: order.code, sequence: 1, cart, clientProfile: { email: client.email, document } },
      });
      // Flat, for `metadata.public` alone would reach the storefront.
      return {
        amount: cents,
        state: 'Authorized',
        transactionId: String(debit.id),
        metadata: { cardId: String(card.id), debitId: String(debit.id) },
      };
    } catch (error) {
      return declined(error.message);
    }
  },

  async settlePayment(ctx, order, payment, args) {
    const { cardId, debitId } = payment.metadata;
    try {
      await complete(provider(args), cardId, debitId, 'settlements', payment.amount, `${order.code}:settled`);
      return { success: true };
    } catch (error) {
      return { success: false, errorMessage: error.message };
    }
  },

  async cancelPayment(ctx, order, payment, args) {
    const { cardId, debitId } = payment.metadata;
    try {
      await complete(provider(args), cardId, debitId, 'cancellations', payment.amount, `${order.code}:cancelled`);
      return { success: true };
    } catch (error) {
      return { success: false, errorMessage: error.message };
    }
  },

  async createRefund(ctx, input, amount, order, payment, args) {
    const { cardId, debitId } = payment.metadata;
    const earlier = (payment.refunds ?? [])
      .filter(refund => refund.state === 'Settled')
      .reduce((sum, refund) => sum + refund.total, 0);
    try {
      const goal = earlier + amount;
      await complete(provider(args), cardId, debitId, 'cancellations', goal, `${order.code}:refunded:${goal}`);
      return { state: 'Settled', transactionId: `${debitId}:${goal}` };
    } catch (error) {
      return { state: 'Failed', metadata: { errorMessage: error.message } };
    }
  },
});

/** Post what is missing up to `goal` centavos, as the protocol wants it: read the list first, then post the rest. */
async function complete(hub, cardId, debitId, list, goal, requestId) {
  const path = `/giftcards/${encodeURIComponent(cardId)}/transactions/${encodeURIComponent(debitId)}/${list}`;
  const done = (await hub('GET', path)).reduce((sum, entry) => sum + centavos(entry.value), 0);
  if (done < goal) await hub('POST', path, { value: reais(goal - done), requestId });
}

/** A function that asks the provider and returns its answer; a refusal is an error without the code in it. */
function provider({ serviceUrl, appKey, appToken }) {
  const headers = {
    accept: MEDIA_TYPE,
    'content-type': MEDIA_TYPE,
    'x-provider-api-appkey': appKey,
    'x-provider-api-apptoken': appToken,
  };
  return async (method, path, body) => {
    const question = { method, headers, body: body && JSON.stringify(body) };
    const answer = await answered(serviceUrl + path, question);
    if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
    return answer.json();
  };
}

/**
 * The answer, asked for again where it was lost: every question of the protocol may be repeated, for what changes
 * something carries a `requestId`. Given up, a debit whose answer was lost would hold the voucher for nobody.
 */
async function answered(url, question, attempts = 5) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await fetch(url, { ...question, signal: AbortSignal.timeout(15000) });
      const body = await answer.arrayBuffer();
      if (answer.status < 500 || attempt === attempts) return new Response(body, answer);
    } catch (error) {
      if (attempt === attempts) throw error;
    }
    await new Promise(resolve => setTimeout(resolve, 100 * 2 ** attempt));
  }
}

const touch = (orders, { id }) => orders.update(id, { updatedAt: new Date() });
const declined = errorMessage => ({ amount: 0, state: 'Declined', errorMessage, metadata: {} });
const reais = cents => cents / 100;
const centavos = value => Math.round(value * 100);
