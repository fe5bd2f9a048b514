// A Vendure store in memory, on a port of the system's choosing. It prints one line of JSON when it listens.
// What concerns Ponte is the shipped plug-in; the rest is what any Brazilian store would configure.
import { bootstrap, DefaultJobQueuePlugin, DefaultLogger, dummyPaymentHandler, LogLevel } from '@vendure/core';
import { ponteGiftCard, pontePlugin } from 'ponte-vendure';

const cpf = { name: 'cpf', type: 'string', nullable: true };

const app = await bootstrap({
  apiOptions: { port: 0, hostname: '127.0.0.1', adminApiPath: 'admin-api', shopApiPath: 'shop-api' },
  authOptions: {
    tokenMethod: ['bearer', 'api-key'],
    superadminCredentials: { identifier: 'superadmin', password: process.env.PEER_PASSWORD },
  },
  dbConnectionOptions: { type: 'sqljs', synchronize: true },
  customFields: { Customer: [cpf], Order: [cpf] },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler, ponteGiftCard] },
  logger: new DefaultLogger({ level: LogLevel.Warn, timestamp: false }),
  plugins: [
    DefaultJobQueuePlugin,
    pontePlugin({ url: process.env.HUB_URL, secret: process.env.HUB_SECRET, timeoutMs: 3000 }),
  ],
});
process.stdout.write(JSON.stringify({ port: app.getHttpServer().address().port }) + '\n');
