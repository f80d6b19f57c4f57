import { createApp } from 'vue';
import { createRouter, createWebHistory } from 'vue-router';
import App from './App.vue';
import Contact from './Contact.vue';
import Page from './Page.vue';

const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: Page, meta: { title: 'Home' } },
    { path: '/pricing', component: Page, meta: { title: 'Pricing' } },
    { path: '/contact', component: Contact, meta: { title: 'Contact' } },
    { path: '/thanks', component: Page, meta: { title: 'Thanks' } },
  ],
});
router.afterEach((to) => { document.title = to.meta.title; });

createApp(App).use(router).mount('#app');
